//! Targets of one worker that are lists of addresses: whom the next connection to each goes to, and whether an
//! address is on its list still.

use std::borrow::Cow;
use std::time::Duration;

use super::connect_error::{ConnectError, Problem};
use super::followed::Followed;
use super::net::Endpoint;
use super::traffic::Traffic;
use crate::workload::{PrepareError, WorkerContext};

/// Of each target of a worker that is a list of addresses, who is on it.
pub(crate) struct Lists(Vec<Option<Followed>>);

impl Lists {
    /// Of these targets, of which some may be lists.
    pub(crate) fn of(endpoints: &[Endpoint], context: &WorkerContext) -> Self {
        let (worker, observer) = (context.worker, &context.observer);
        let lists = endpoints.iter().enumerate().map(|(target, endpoint)| {
            let listing = endpoint.listing()?;
            let clock = context.clock;
            Some(Followed::new(target, listing, worker, clock, observer))
        });
        Self(lists.collect())
    }

    /// The list of addresses that a target is, if it is one.
    #[inline]
    fn of_target(&self, target: usize) -> Option<&Followed> {
        self.0.get(target)?.as_ref()
    }

    /// Waits until all are known.
    ///
    /// # Errors
    /// Why one of them is not known within the time.
    pub(crate) async fn know(
        &self,
        endpoints: &[Endpoint],
        limit: Duration,
    ) -> Result<(), PrepareError> {
        for (endpoint, list) in endpoints.iter().zip(&self.0) {
            if let Some(list) = list {
                let known = list.know(limit).await;
                known.map_err(|why| PrepareError::new(endpoint.failed(why).to_string()))?;
            }
        }
        Ok(())
    }

    /// Tells who came to be on one and who no longer is, where no user has asked meanwhile.
    pub(crate) fn look(&self) {
        self.0.iter().flatten().for_each(Followed::look);
    }

    /// Whom the next connection to a target goes to, and its number among those to that one: to the target
    /// itself, where it has the number `nth`, or to the next address of its list.
    ///
    /// # Errors
    /// Why the list is not known.
    pub(crate) async fn whom<'a>(
        &self,
        target: usize,
        nth: usize,
        endpoint: &'a Endpoint,
        limit: Duration,
    ) -> Result<(Cow<'a, Endpoint>, usize), ConnectError<Problem>> {
        let Some(list) = self.of_target(target) else {
            return Ok((Cow::Borrowed(endpoint), nth));
        };
        let next = list.next(limit).await;
        let (listed, nth) = next.map_err(|problem| endpoint.failed(problem))?;
        Ok((Cow::Owned(endpoint.at(&listed)), nth))
    }

    /// Whether a connection to a target goes to an address that is on its list no longer: nothing is sent on it
    /// any more.
    #[inline]
    pub(crate) fn is_gone(&self, target: usize, connection: &Traffic) -> bool {
        self.of_target(target)
            .is_some_and(|list| list.is_gone(connection))
    }

    /// A connection to a target has ended, and not by our doing.
    pub(crate) fn lost_a_connection(&self, target: usize) {
        if let Some(list) = self.of_target(target) {
            list.lost_a_connection();
        }
    }
}
