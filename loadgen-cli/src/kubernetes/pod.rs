//! What a pod is: one container with loadgen in it, which may do as little as it needs.

use serde_json::{Value, json};

use super::files::{FOLDER, Files};
use crate::args::KubernetesArgs;

/// Where a pod has the volume for results.
pub(super) const RESULTS: &str = "/results";
/// Where it has the keys of a Secret that was named.
const SECRETS: &str = "/secrets";
/// The image's own user, who is nobody in particular.
const USER: u32 = 65_532;

/// What pods of a run are made of.
#[derive(Debug)]
pub(super) struct Pod<'a> {
    /// The flags of the command.
    pub(super) args: &'a KubernetesArgs,
    /// The claim for results.
    pub(super) claim: String,
    /// The folder in it that the pod sees.
    pub(super) folder: String,
    /// What loadgen is told.
    pub(super) words: Vec<String>,
    /// What a pod has that makes a part of the load.
    pub(super) shard: Option<Shard<'a>>,
}

/// What a pod has that makes a part of the load.
#[derive(Debug)]
pub(super) struct Shard<'a> {
    /// The scenario's files.
    pub(super) files: &'a Files,
    /// The ConfigMap with them.
    pub(super) config: String,
    /// The Secret whose keys are in the environment.
    pub(super) secret: String,
    /// What is in the environment besides.
    pub(super) environment: Vec<Value>,
    /// The port at which pods meet.
    pub(super) port: u16,
}

impl Pod<'_> {
    /// Its `spec`, to which more may be added.
    pub(super) fn spec(&self) -> Value {
        let mut mounts =
            vec![json!({"name": "results", "mountPath": RESULTS, "subPath": self.folder})];
        let mut volumes =
            vec![json!({"name": "results", "persistentVolumeClaim": {"claimName": self.claim}})];
        let amounts = json!({"cpu": self.args.cpu, "memory": self.args.memory});
        let mut container = json!({
            "name": "loadgen",
            "image": self.args.image,
            "args": self.words,
        });
        if let Some(shard) = &self.shard {
            container["env"] = json!(shard.environment);
            container["envFrom"] = json!([{"secretRef": {"name": shard.secret}}]);
            container["ports"] = json!([{"name": "coordinator", "containerPort": shard.port}]);
            shard.mount(self.args.secret.as_deref(), &mut mounts, &mut volumes);
        }
        // With as much guaranteed as may be used, and whole cores, no other pod is in the way.
        container["resources"] = json!({"requests": amounts, "limits": amounts});
        container["securityContext"] = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        container["volumeMounts"] = json!(mounts);
        json!({
            // A container that is started again would make its part of the load twice.
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            // Variables like GRPC_PORT, made from the names of services, would say where to send.
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
        })
    }
}

impl Shard<'_> {
    /// Adds its files, and those of a Secret that was named.
    fn mount(&self, secret: Option<&str>, mounts: &mut Vec<Value>, volumes: &mut Vec<Value>) {
        if !self.files.texts.is_empty() {
            let items = self.files.texts.iter();
            let items: Vec<Value> = items
                .map(|it| json!({"key": it.key, "path": it.path}))
                .collect();
            mounts.push(json!({"name": "scenario", "mountPath": FOLDER, "readOnly": true}));
            volumes.push(
                json!({"name": "scenario", "configMap": {"name": self.config, "items": items}}),
            );
        }
        if let Some(secret) = secret {
            mounts.push(json!({"name": "secrets", "mountPath": SECRETS, "readOnly": true}));
            volumes.push(
                json!({"name": "secrets", "secret": {"secretName": secret, "defaultMode": 0o440}}),
            );
        }
    }
}
