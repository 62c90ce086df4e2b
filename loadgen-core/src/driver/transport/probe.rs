//! Whether anybody is there.
//!
//! A service or a balancer that turns some connections away still takes others, and that is what a run
//! is to measure: nobody is taken to be there only after several rounds.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use super::connect_error::ConnectError;
use crate::workload::PrepareError;

/// How often all targets are tried.
const ROUNDS: u32 = 4;
/// What lies between two rounds.
const PAUSE: Duration = Duration::from_millis(50);
/// How long after the first round began another may begin: who is silent is not waited for several times.
const WITHIN: Duration = Duration::from_secs(1);

/// What may keep a connection from opening.
pub(crate) trait Passing {
    /// Whether it may be otherwise in a moment. What is so by agreement, such as a certificate, is not.
    fn may_pass(&self) -> bool;
}

/// The rounds in which targets are tried.
#[derive(Debug)]
pub(crate) struct Rounds {
    begun: Instant,
    left: u32,
}

impl Rounds {
    /// The first begins now.
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            left: ROUNDS - 1,
        }
    }

    /// There is one, which begins now.
    pub(crate) fn one() -> Self {
        Self {
            left: 0,
            ..Self::begin()
        }
    }

    /// Waits for the next one; false: there is none, as when nothing in the one before may pass.
    pub(crate) async fn next<'a, P: Passing + 'a>(
        &mut self,
        mut failed: impl Iterator<Item = &'a ConnectError<P>>,
    ) -> bool {
        if self.left == 0
            || !failed.any(|it| it.problem.may_pass())
            || self.begun.elapsed() + PAUSE > WITHIN
        {
            return false;
        }
        self.left -= 1;
        tokio::time::sleep(PAUSE).await;
        true
    }
}

/// What the first of some targets that takes it opens, and which that was. The `own` one comes first.
///
/// # Errors
/// Why it could not be opened at the own target the first time, and which others were tried.
pub(crate) async fn first_to_take<C, P: Display + Passing>(
    own: usize,
    targets: usize,
    mut open: impl AsyncFnMut(usize) -> Result<C, ConnectError<P>>,
) -> Result<(usize, C), PrepareError> {
    let mut errors = Vec::new();
    let mut rounds = Rounds::begin();
    loop {
        let before = errors.len();
        for target in (own..targets).chain(0..own) {
            match open(target).await {
                Ok(opened) => return Ok((target, opened)),
                Err(error) => errors.push(error),
            }
        }
        if !rounds.next(errors[before..].iter()).await {
            let (first, others) = errors.split_first().expect("one target at least");
            return Err(PrepareError::new(first.and_others(others.iter())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    use crate::driver::transport::connect_error::Problem;

    fn refused(target: usize) -> ConnectError<Problem> {
        ConnectError {
            target: format!("t{target}"),
            problem: Problem::Io("reset".to_owned()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_own_target_comes_first_and_all_are_tried_several_times() {
        let tried = RefCell::new(Vec::new());
        let error = first_to_take(1, 3, async |target| {
            tried.borrow_mut().push(target);
            Err::<(), _>(refused(target))
        });
        let error = error.await.expect_err("nobody is there");
        assert_eq!(
            error.message,
            "could not connect to t1: reset (nor to t0, t2)"
        );
        assert_eq!(tried.into_inner(), [1, 2, 0].repeat(ROUNDS as usize));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_the_third_connection_is_there() {
        let tried = RefCell::new(0);
        let opened = first_to_take(0, 1, async |target| {
            *tried.borrow_mut() += 1;
            match *tried.borrow() {
                3 => Ok("open"),
                _ => Err(refused(target)),
            }
        });
        assert_eq!(opened.await.expect("it takes one"), (0, "open"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_waited_for_once() {
        let tried = RefCell::new(0);
        let error = first_to_take(0, 1, async |target| {
            *tried.borrow_mut() += 1;
            tokio::time::sleep(WITHIN).await;
            Err::<(), _>(refused(target))
        });
        error.await.expect_err("nobody is there");
        assert_eq!(tried.into_inner(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_met_once() {
        let tried = RefCell::new(0);
        let error = first_to_take(0, 2, async |target| {
            *tried.borrow_mut() += 1;
            let target = format!("t{target}");
            let problem = Problem::Untrusted;
            Err::<(), _>(ConnectError { target, problem })
        });
        error.await.expect_err("nobody is trusted");
        assert_eq!(tried.into_inner(), 2);
    }
}
