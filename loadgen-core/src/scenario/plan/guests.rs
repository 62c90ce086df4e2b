//! The steps of a scenario that go elsewhere, as scenarios of the protocols that they speak.

use super::{Elsewhere, ScenarioPlan};
use crate::scenario::protocol::{Protocol, ProtocolPlan, Spoken};
use crate::scenario::step::Step;

impl ScenarioPlan {
    /// For each protocol that steps of `setup`, `begin` and `end` speak elsewhere, a scenario of it with the
    /// same name and load: it goes there, has these steps in the same parts, one after the other without what
    /// groups them, and no others.
    #[must_use]
    pub fn guests(&self) -> Vec<Self> {
        self.elsewhere.iter().map(|it| self.guest(it)).collect()
    }

    fn guest(&self, servers: &Elsewhere) -> Self {
        let [setup, begin, end] = self.protocol.said_elsewhere();
        let mut protocol = servers.protocol.clone();
        macro_rules! with_steps {
            ($($variant:ident),+) => {
                match &mut protocol {
                    $(ProtocolPlan::$variant(plan) => {
                        let only = |said: &[Step<Spoken>]| {
                            let steps = said.iter().filter_map(|step| match step.spoken() {
                                Some(Spoken::$variant(said)) => Some(step.saying(said.clone())),
                                _ => None,
                            });
                            steps.collect()
                        };
                        (plan.setup, plan.begin, plan.end) = (only(&setup), only(&begin), only(&end));
                        plan.steps = Vec::new();
                    })+
                }
            };
        }
        with_steps!(Grpc, Websocket, Http, Tcp);
        Self {
            targets: servers.targets.clone(),
            connect_timeout: servers.connect_timeout.unwrap_or(self.connect_timeout),
            max_message: servers.max_message.unwrap_or(self.max_message),
            authority: servers.authority.clone(),
            // Who answers there is in no report.
            identify: None,
            // Those addresses are for what the scenario is about.
            bind: Vec::new(),
            tls: servers.tls.clone(),
            target_backends: Vec::new(),
            events: Vec::new(),
            elsewhere: Vec::new(),
            protocol,
            ..self.clone()
        }
    }

    /// Where a protocol's steps of `setup`, `begin` and `end` go that do not go where the scenario's own go.
    #[must_use]
    pub fn elsewhere(&self, protocol: Protocol) -> Option<&Elsewhere> {
        let mut all = self.elsewhere.iter();
        all.find(|it| it.protocol.protocol() == protocol)
    }
}
