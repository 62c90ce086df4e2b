//! What servers called themselves on connections, so that a request without an answer has its server, too.

use std::collections::VecDeque;

use crate::number_map::NumberMap;
use crate::record::Decisions;
use crate::record::counts::MOSTLY_ONE;
use crate::workload::{AddressIndex, BackendIndex, ConnectionId};

/// The most connections that are remembered; of more, the latest. A megabyte or two.
const MOST_CONNECTIONS: usize = 32_768;
/// So many answers to an address count in full; what came before them counts less and less.
const RECENT: u32 = 1_024;

/// Which servers have answered on which connections.
#[derive(Debug, Default)]
pub(super) struct Named {
    seats: NumberMap<ConnectionId, Seat>,
    /// The oldest first.
    order: VecDeque<ConnectionId>,
    /// The latest connection of those that are no longer remembered.
    forgotten: Option<ConnectionId>,
    /// How servers were of late chosen at each address, that of connections without one the first.
    chosen: Vec<Chosen>,
}

/// Answers that came on connections on which others had come before.
#[derive(Debug, Clone, Copy, Default)]
struct Chosen {
    answers: u32,
    /// Of these, those of another server than the one before. Where each connection keeps to one server these are
    /// few, also when a server goes away: each that was with it moves once.
    by_others: u32,
}

impl Chosen {
    fn answered(&mut self, by_another: bool) {
        if self.answers == RECENT {
            self.answers /= 2;
            self.by_others /= 2;
        }
        self.answers += 1;
        self.by_others += u32::from(by_another);
    }

    /// Whether a connection leads to several servers as a rule.
    fn is_shared(self) -> bool {
        f64::from(self.by_others) > f64::from(self.answers) * MOSTLY_ONE
    }
}

/// Where an address has its place.
fn place(address: Option<AddressIndex>) -> usize {
    address.map_or(0, |it| usize::from(it) + 1)
}

/// Who has answered on a connection.
#[derive(Debug)]
struct Seat {
    first: BackendIndex,
    latest: BackendIndex,
    others: Vec<BackendIndex>,
    was_asked_again: bool,
}

impl Named {
    /// A server answered on a connection. Whether it is the first time there, and what that says of how
    /// servers are chosen.
    #[inline]
    pub(super) fn answered(
        &mut self,
        connection: ConnectionId,
        backend: BackendIndex,
    ) -> (bool, Decisions) {
        let Some(seat) = self.seats.get_mut(&connection) else {
            // One of before is most likely one that was forgotten: it is not counted twice.
            let is_new = self.forgotten.is_none_or(|latest| connection > latest);
            self.remember(connection, backend);
            return (is_new, Decisions::default());
        };
        let mut decisions = Decisions::default();
        if !seat.was_asked_again {
            seat.was_asked_again = true;
            decisions.connections = 1;
        }
        let is_new = seat.first != backend && !seat.others.contains(&backend);
        if is_new {
            decisions.several = u64::from(seat.others.is_empty());
            seat.others.push(backend);
        }
        let by_another = std::mem::replace(&mut seat.latest, backend) != backend;
        let place = place(connection.address());
        if self.chosen.len() <= place {
            self.chosen.resize(place + 1, Chosen::default());
        }
        self.chosen[place].answered(by_another);
        (is_new, decisions)
    }

    #[cold]
    fn remember(&mut self, connection: ConnectionId, backend: BackendIndex) {
        if self.order.len() == MOST_CONNECTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.seats.remove(&oldest);
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        self.order.push_back(connection);
        let seat = Seat {
            first: backend,
            latest: backend,
            others: Vec::new(),
            was_asked_again: false,
        };
        self.seats.insert(connection, seat);
    }

    /// The only server that has answered there. Where there are several, or connections to the same address lead
    /// to several as a rule, nobody knows which of them the next request goes to.
    pub(super) fn only(&self, connection: ConnectionId) -> Option<BackendIndex> {
        let seat = self.seats.get(&connection)?;
        let chosen = self.chosen.get(place(connection.address()));
        let is_shared = chosen.is_some_and(|it| it.is_shared());
        (seat.others.is_empty() && !is_shared).then_some(seat.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_says_who_is_behind_it_while_that_is_one() {
        let mut named = Named::default();
        let (one, other) = (ConnectionId::next(), ConnectionId::next());
        let decided = |connections, several| Decisions {
            connections,
            several,
        };
        assert_eq!(named.only(one), None);
        assert_eq!(named.answered(one, 3), (true, decided(0, 0)));
        assert_eq!(named.answered(one, 3), (false, decided(1, 0)));
        assert_eq!(named.answered(one, 3), (false, decided(0, 0)));
        assert_eq!(named.only(one), Some(3));
        assert_eq!(named.answered(other, 3), (true, decided(0, 0)));
        assert_eq!(named.answered(other, 4), (true, decided(1, 1)));
        assert_eq!(named.answered(other, 5), (true, decided(0, 0)));
        assert_eq!(named.answered(other, 4), (false, decided(0, 0)));
        assert_eq!(named.only(other), None);
    }

    /// The first to answer on a new connection through a balancer of requests is not the one that the next
    /// request there goes to.
    #[test]
    fn a_connection_to_where_they_lead_to_several_says_nothing() {
        let mut named = Named::default();
        let to = |address| ConnectionId::to(Some(address));
        let (shared, new, direct) = (to(0), to(0), to(1));
        for (connection, backend) in [(new, 2), (direct, 7), (shared, 2)] {
            named.answered(connection, backend);
        }
        assert_eq!(named.only(new), Some(2));
        named.answered(shared, 3);
        assert_eq!((named.only(new), named.only(direct)), (None, Some(7)));
    }

    /// A server that went away moved a third of them, once: each has one all the same.
    #[test]
    fn those_that_were_moved_say_nothing_of_the_others() {
        let mut named = Named::default();
        let all: Vec<_> = (0..30).map(|_| ConnectionId::next()).collect();
        for _ in 0..20 {
            for connection in &all {
                named.answered(*connection, 1);
            }
        }
        for connection in &all[..10] {
            named.answered(*connection, 2);
        }
        assert_eq!((named.only(all[0]), named.only(all[10])), (None, Some(1)));
    }

    /// What came long ago is outweighed by what comes since.
    #[test]
    fn an_address_may_come_to_be_shared() {
        let mut named = Named::default();
        let [one, other] = [ConnectionId::next(), ConnectionId::next()];
        let mut only = |times: usize, servers: [BackendIndex; 2]| {
            for nth in 0..times {
                named.answered(one, servers[nth % 2]);
                named.answered(other, 1);
            }
            named.only(other)
        };
        assert_eq!(only(50_000, [1, 1]), Some(1));
        assert_eq!(only(500, [1, 2]), None);
        assert_eq!(only(5_000, [2, 2]), Some(1));
    }

    #[test]
    fn no_more_than_the_latest_are_remembered() {
        let mut named = Named::default();
        let first = ConnectionId::next();
        named.answered(first, 0);
        for _ in 0..MOST_CONNECTIONS {
            named.answered(ConnectionId::next(), 0);
        }
        assert_eq!(named.only(first), None);
        assert_eq!(named.answered(first, 0), (false, Decisions::default()));
        assert_eq!(
            (named.seats.len(), named.order.len()),
            (MOST_CONNECTIONS, MOST_CONNECTIONS)
        );
    }
}
