//! Which server each user's last stream was with.

use std::collections::HashMap;

use crate::clock::Nanos;
use crate::record::stickiness::MOST_MOVES;
use crate::workload::{BackendIndex, UserId};

/// Where the streams of one worker's users are at home. As large as there are users with streams.
#[derive(Debug, Default)]
pub(super) struct Homes(HashMap<UserId, Home>);

#[derive(Debug)]
struct Home {
    backend: BackendIndex,
    has_moved: bool,
}

/// What happened between two swaps.
#[derive(Debug, Default)]
pub(in crate::record) struct HomesTick {
    /// Users that were not seen before.
    pub(in crate::record) users: u64,
    /// Users that had not moved before.
    pub(in crate::record) moved: u64,
    pub(in crate::record) move_count: u64,
    /// When, who, and from where to where; no more than are kept.
    pub(in crate::record) moves: Vec<(Nanos, UserId, BackendIndex, BackendIndex)>,
}

impl HomesTick {
    pub(super) fn clear(&mut self) {
        (self.users, self.moved, self.move_count) = (0, 0, 0);
        self.moves.clear();
    }

    pub(in crate::record) fn is_empty(&self) -> bool {
        self.users == 0 && self.move_count == 0
    }
}

impl Homes {
    /// A user's stream is with this server. `at` is when it opened, where that is measured.
    pub(super) fn serves(
        &mut self,
        user: UserId,
        backend: BackendIndex,
        at: Option<Nanos>,
        tick: &mut HomesTick,
    ) {
        let Some(home) = self.0.get_mut(&user) else {
            tick.users += 1;
            let has_moved = false;
            self.0.insert(user, Home { backend, has_moved });
            return;
        };
        let from = std::mem::replace(&mut home.backend, backend);
        let Some(at) = at.filter(|_| from != backend) else {
            return;
        };
        tick.moved += u64::from(!std::mem::replace(&mut home.has_moved, true));
        tick.move_count += 1;
        if tick.moves.len() < MOST_MOVES {
            tick.moves.push((at, user, from, backend));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_moves_when_its_stream_is_with_another_server() {
        let (mut homes, mut tick) = (Homes::default(), HomesTick::default());
        let opened = [(1, 0), (2, 0), (1, 0), (1, 3), (1, 3), (1, 0)];
        for (at, (user, backend)) in opened.into_iter().enumerate() {
            homes.serves(UserId(user), backend, Some(at as Nanos), &mut tick);
        }
        // What is not measured is no move, and where the user is from then on.
        homes.serves(UserId(2), 1, None, &mut tick);
        homes.serves(UserId(2), 1, Some(9), &mut tick);
        assert_eq!((tick.users, tick.moved, tick.move_count), (2, 1, 2));
        assert_eq!(tick.moves, [(3, UserId(1), 0, 3), (5, UserId(1), 3, 0)]);
    }
}
