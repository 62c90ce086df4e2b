//! What one shard of a run has of a scenario.

use super::ScenarioPlan;
use crate::scenario::protocol::ProtocolPlan;
use crate::schedule::{Shard, Slice};

impl ScenarioPlan {
    /// Which of those shards this is that the scenario is divided among: no more than it has users, nor than it has
    /// connections that these share over gRPC. `None` where it is none of them.
    #[must_use]
    pub fn part(&self, shard: Shard) -> Option<Shard> {
        let users = u64::from(self.load.max_users());
        let most = self
            .connections_shared()
            .map_or(users, |it| users.min(it.into()));
        shard.among(most)
    }

    /// How many connections its users share over gRPC, where that is given: no more workers and shards make its load.
    #[must_use]
    pub fn connections_shared(&self) -> Option<u32> {
        match &self.protocol {
            ProtocolPlan::Grpc(grpc) => grpc.connections,
            ProtocolPlan::Websocket(_) | ProtocolPlan::Http(_) | ProtocolPlan::Tcp(_) => None,
        }
    }

    /// How much of its load is that of a shard.
    #[must_use]
    pub fn slice(&self, shard: Shard) -> Slice {
        Slice::of(&self.name, &self.load, self.part(shard))
    }

    /// A scenario as large as the part that a shard has of this one: what it takes of a machine, and how far it is.
    /// It is none to be run in its place. `None` where the shard has no part in it.
    #[must_use]
    pub fn as_large_as(&self, shard: Shard) -> Option<Self> {
        let part = self.part(shard)?;
        let mut slice = self.connecting_in(part);
        slice.load = self.load.as_large_as(part);
        if let ProtocolPlan::Grpc(grpc) = &mut slice.protocol {
            let part_of = |all: u32| u32::try_from(part.part_of(all.into())).unwrap_or(all);
            grpc.connections = grpc.connections.map(part_of);
        }
        Some(slice)
    }

    /// The scenario with as much of its caps on opening connections as those of one shard may.
    pub(crate) fn connecting_in(&self, part: Shard) -> Self {
        let mut scenario = self.clone();
        let elsewhere = scenario.elsewhere.iter_mut().map(|it| &mut it.protocol);
        for protocol in elsewhere.chain([&mut scenario.protocol]) {
            let rate = match protocol {
                ProtocolPlan::Grpc(it) => &mut it.connect_rate,
                ProtocolPlan::Websocket(it) => &mut it.connect_rate,
                ProtocolPlan::Http(it) => &mut it.connect_rate,
                ProtocolPlan::Tcp(it) => &mut it.connect_rate,
            };
            *rate = rate.map(|it| part.rate(it));
        }
        scenario
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::GrpcPlan;
    use crate::schedule::Load;
    use crate::units::Rate;

    fn rate(per_second: f64) -> Rate {
        Rate::new(per_second).unwrap()
    }

    #[test]
    fn a_part_has_its_share_of_every_cap() {
        let grpc = GrpcPlan {
            connections: Some(6),
            connect_rate: Some(rate(40.0)),
            ..GrpcPlan::default()
        };
        let load = Load::closed(10)
            .for_(Duration::from_secs(1))
            .rate_limit(rate(100.0));
        let scenario = ScenarioPlan::new("s", grpc, load);
        let shard = Shard::new(2, 4).unwrap();
        let slice = scenario.as_large_as(shard).unwrap();
        let (ProtocolPlan::Grpc(grpc), Load::Closed(closed)) = (slice.protocol, slice.load) else {
            panic!("it is another scenario");
        };
        assert_eq!(grpc.connections, Some(1), "number 2 of 6");
        assert_eq!(grpc.connect_rate, Some(rate(10.0)));
        assert_eq!((closed.users, closed.rate_limit), (2, Some(rate(25.0))));
    }

    /// What shares one connection is not to have four.
    #[test]
    fn connections_bound_the_shards() {
        let grpc = GrpcPlan {
            connections: Some(2),
            ..GrpcPlan::default()
        };
        let scenario = ScenarioPlan::new("s", grpc, Load::closed(10).iterations(100));
        let parts = (0..4).map(|index| scenario.part(Shard::new(index, 4).unwrap()));
        let two = |index| Some(Shard::new(index, 2).unwrap());
        assert_eq!(parts.collect::<Vec<_>>(), [two(0), two(1), None, None]);
    }
}
