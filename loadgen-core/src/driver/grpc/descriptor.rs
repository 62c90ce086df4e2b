//! Where a method's description comes from: `.proto` files, loadgen's own services, the server.
//!
//! Owns the order in which they are asked. Runs before the run only.

use std::path::PathBuf;

use prost_reflect::{DescriptorPool, MethodDescriptor};

use super::error::DriverError;
use super::protos::{compile_files, compile_source};
use crate::nearest::nearest;

const OWN_PROTO: &str = include_str!("../../../proto/loadgen/v1/loadgen.proto");
const OWN_PROTO_NAME: &str = "loadgen/v1/loadgen.proto";

/// The descriptions at hand, first that knows a service first.
pub(super) struct Catalogue {
    pools: Vec<DescriptorPool>,
}

/// What the catalogue knows of a method.
pub(super) enum Found {
    Method(MethodDescriptor),
    /// The service is known and does not have it.
    NoSuchMethod,
    /// The service is not known.
    NoSuchService,
}

impl Catalogue {
    /// The scenario's files, and loadgen's own services behind them.
    pub(super) fn new(protos: &[PathBuf]) -> Result<Self, DriverError> {
        let mut pools = Vec::new();
        if !protos.is_empty() {
            pools.push(compile_files(protos)?);
        }
        pools.push(compile_source(OWN_PROTO_NAME, OWN_PROTO)?);
        Ok(Self { pools })
    }

    /// All descriptions.
    pub(super) fn pools(&self) -> &[DescriptorPool] {
        &self.pools
    }

    pub(super) fn add(&mut self, pool: DescriptorPool) {
        self.pools.push(pool);
    }

    pub(super) fn find(&self, service: &str, method: &str) -> Found {
        for pool in &self.pools {
            let Some(service) = pool.get_service_by_name(service) else {
                continue;
            };
            let found = service.methods().find(|it| it.name() == method);
            return found.map_or(Found::NoSuchMethod, Found::Method);
        }
        Found::NoSuchService
    }

    /// The method with the name most like this one, if any is like it.
    pub(super) fn nearest(&self, method: &str) -> Option<String> {
        let names = self.pools.iter().flat_map(|pool| {
            pool.services().flat_map(|service| {
                let methods: Vec<_> = service
                    .methods()
                    .map(|method| format!("{}/{}", service.full_name(), method.name()))
                    .collect();
                methods
            })
        });
        let names: Vec<String> = names.collect();
        nearest(method, names.iter().map(String::as_str)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_services() {
        let catalogue = Catalogue::new(&[]).expect("compiles");
        let found = catalogue.find("loadgen.v1.Greeter", "Chat");
        let Found::Method(chat) = found else {
            panic!("not found");
        };
        assert!(chat.is_client_streaming() && chat.is_server_streaming());
        assert!(matches!(
            catalogue.find("loadgen.v1.Greeter", "Hullo"),
            Found::NoSuchMethod
        ));
        assert!(matches!(
            catalogue.find("loadgen.v1.Greter", "Hello"),
            Found::NoSuchService
        ));
        assert_eq!(
            catalogue.nearest("loadgen.v1.Greeter/Hullo").as_deref(),
            Some("loadgen.v1.Greeter/Hello")
        );
    }

    #[test]
    fn says_where_a_file_does_not_compile() {
        let error = compile_source(
            "a.proto",
            "syntax = \"proto3\";\nmessage A {\n  strin x = 1;\n}",
        )
        .expect_err("no such type");
        assert!(
            error
                .to_string()
                .starts_with("protos: a.proto: line 3, column 3: "),
            "{error}"
        );
    }

    #[test]
    fn says_which_file_is_missing() {
        let error = Catalogue::new(&[PathBuf::from("/nowhere/a.proto")])
            .err()
            .expect("missing");
        assert!(error.to_string().contains("/nowhere/a.proto"), "{error}");
    }
}
