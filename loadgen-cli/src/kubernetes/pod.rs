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
    /// The scenario's files, of those that run it.
    pub(super) files: Option<&'a Files>,
    /// The ConfigMap with them.
    pub(super) config: String,
    /// The claim for results.
    pub(super) claim: String,
    /// The Secret whose keys are in the environment.
    pub(super) secret: String,
    /// What loadgen is told.
    pub(super) words: Vec<String>,
    /// What is in the environment besides.
    pub(super) environment: Vec<Value>,
    /// The port at which pods meet.
    pub(super) port: Option<u16>,
}

impl Pod<'_> {
    /// Its `spec`, to which more may be added.
    pub(super) fn spec(&self) -> Value {
        let with_files = self.files.filter(|it| !it.texts.is_empty());
        let of_user = self.args.secret.as_ref().filter(|_| self.files.is_some());
        let mut mounts = vec![json!({"name": "results", "mountPath": RESULTS})];
        let mut volumes =
            vec![json!({"name": "results", "persistentVolumeClaim": {"claimName": self.claim}})];
        if let Some(files) = with_files {
            let items = files.texts.iter();
            let items: Vec<Value> = items
                .map(|it| json!({"key": it.key, "path": it.path}))
                .collect();
            mounts.push(json!({"name": "scenario", "mountPath": FOLDER, "readOnly": true}));
            volumes.push(
                json!({"name": "scenario", "configMap": {"name": self.config, "items": items}}),
            );
        }
        if let Some(secret) = of_user {
            mounts.push(json!({"name": "secrets", "mountPath": SECRETS, "readOnly": true}));
            volumes.push(
                json!({"name": "secrets", "secret": {"secretName": secret, "defaultMode": 0o440}}),
            );
        }
        let amounts = json!({"cpu": self.args.cpu, "memory": self.args.memory});
        let mut container = json!({
            "name": "loadgen",
            "image": self.args.image,
            "args": self.words,
        });
        if self.files.is_some() {
            container["env"] = json!(self.environment);
            container["envFrom"] = json!([{"secretRef": {"name": self.secret}}]);
        }
        if let Some(port) = self.port {
            container["ports"] = json!([{"name": "coordinator", "containerPort": port}]);
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
