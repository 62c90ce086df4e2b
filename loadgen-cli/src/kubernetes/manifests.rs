//! The objects of a run: what makes the load, what it needs, and what merges the results.

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use super::KubernetesError;
use super::files::Files;
use super::flags::Run;
use super::pod::{Pod, RESULTS, Shard};
use crate::args::KubernetesArgs;
use crate::coordinate::TOKEN;

/// Where shards meet.
pub(super) const PORT: u16 = 8090;
/// The variables that each pod of a shard has.
pub(super) const VARIABLES: [&str; 3] = [TOKEN, SHARDS_VARIABLE, RUN_ID];
const SHARDS_VARIABLE: &str = "LOADGEN_SHARDS";
const RUN_ID: &str = "LOADGEN_RUN_ID";
/// What is another one with each Job.
const JOB: &str = "metadata.labels['batch.kubernetes.io/controller-uid']";
/// The one part of a JobSet, and the folder that its pods write to.
const SHARDS: &str = "shards";
/// How long pods wait for one another: they may have to wait for nodes, and to fetch the image.
const WAITING: &str = "10m";
/// How long a pod may take to write its results, beside what it has to wait for, in seconds.
const WRITING_S: u64 = 30;

/// The objects of one run.
pub(super) struct Manifests<'a> {
    args: &'a KubernetesArgs,
    run: &'a Run,
    files: &'a Files,
    name: String,
    /// Of the Secret that is printed, where none is there.
    token: Option<String>,
}

impl<'a> Manifests<'a> {
    /// What the pods are that make the load.
    const SHARD: &'static str = "shard";
    /// What the pod is that makes their results into one.
    const MERGE: &'static str = "merge";

    /// Gives them their name, and a token.
    ///
    /// # Errors
    /// Where no name can be made, or no token.
    pub(super) fn new(
        args: &'a KubernetesArgs,
        run: &'a Run,
        files: &'a Files,
    ) -> Result<Self, KubernetesError> {
        let token = match args.secret {
            Some(_) => None,
            None => Some(token()?),
        };
        Ok(Self {
            args,
            run,
            files,
            name: name(args)?,
            token,
        })
    }

    /// What the run is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What merges its results.
    pub(super) fn merge_name(&self) -> String {
        format!("{}-merge", self.name)
    }

    /// All of them, what others need before these.
    pub(super) fn all(&self) -> Vec<Value> {
        let own = [
            (!self.files.texts.is_empty()).then(|| self.config_map()),
            self.token.as_deref().map(|token| self.secret(token)),
            self.args.results.is_none().then(|| self.claim()),
            (!self.args.jobset).then(|| self.service()),
            Some(self.network_policy()),
            Some(match self.args.jobset {
                true => self.jobset(),
                false => {
                    let metadata = self.metadata_of(&self.name, Self::SHARD);
                    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": self.job_spec()})
                }
            }),
            Some(self.merge()),
        ];
        own.into_iter().flatten().collect()
    }

    fn labels(&self) -> Value {
        json!({"app.kubernetes.io/name": "loadgen", "app.kubernetes.io/instance": self.name})
    }

    /// The labels of a part of it, and of its pods.
    fn labels_of(&self, component: &str) -> Value {
        let mut labels = self.labels();
        labels["app.kubernetes.io/component"] = json!(component);
        labels
    }

    /// The labels of the pods that make the load.
    fn shard_labels(&self) -> Value {
        self.labels_of(Self::SHARD)
    }

    fn metadata(&self, name: &str) -> Value {
        let mut metadata = json!({"name": name});
        if let Some(namespace) = &self.args.namespace {
            metadata["namespace"] = json!(namespace);
        }
        metadata["labels"] = self.labels();
        metadata
    }

    fn metadata_of(&self, name: &str, component: &str) -> Value {
        let mut metadata = self.metadata(name);
        metadata["labels"] = self.labels_of(component);
        metadata
    }

    fn object(&self, version: &str, kind: &str, name: &str, spec: &Value) -> Value {
        let metadata = self.metadata(name);
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    }

    fn config_name(&self) -> String {
        format!("{}-scenario", self.name)
    }

    fn secret_name(&self) -> String {
        let named = self.args.secret.clone();
        named.unwrap_or_else(|| format!("{}-token", self.name))
    }

    fn claim_name(&self) -> String {
        let named = self.args.results.clone();
        named.unwrap_or_else(|| format!("{}-results", self.name))
    }

    fn config_map(&self) -> Value {
        let texts = self.files.texts.iter();
        let data: serde_json::Map<_, _> = texts
            .map(|it| (it.key.clone(), json!(it.content)))
            .collect();
        let metadata = self.metadata(&self.config_name());
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    }

    fn secret(&self, token: &str) -> Value {
        let metadata = self.metadata(&self.secret_name());
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {TOKEN: token}})
    }

    fn claim(&self) -> Value {
        let spec = json!({
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        });
        self.object("v1", "PersistentVolumeClaim", &self.claim_name(), &spec)
    }

    /// Gives pods names, the first of them before it is ready.
    fn service(&self) -> Value {
        let spec = json!({
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": self.shard_labels(),
            "ports": [{"name": "coordinator", "port": PORT}],
        });
        self.object("v1", "Service", &self.name, &spec)
    }

    /// Nobody reaches a shard but others of its run.
    fn network_policy(&self) -> Value {
        let shards = json!({"matchLabels": self.shard_labels()});
        let spec = json!({
            "podSelector": shards,
            "policyTypes": ["Ingress"],
            "ingress": [{
                "from": [{"podSelector": shards}],
                "ports": [{"protocol": "TCP", "port": PORT}],
            }],
        });
        self.object("networking.k8s.io/v1", "NetworkPolicy", &self.name, &spec)
    }

    fn job_spec(&self) -> Value {
        json!({
            "completionMode": "Indexed",
            "completions": self.args.shards,
            "parallelism": self.args.shards,
            // A shard that is lost is not started again, and ends no other one.
            "backoffLimitPerIndex": 0,
            "podReplacementPolicy": "Failed",
            "template": {"metadata": {"labels": self.shard_labels()}, "spec": self.shard_spec()},
        })
    }

    fn jobset(&self) -> Value {
        let shards = json!({
            "name": SHARDS,
            "replicas": 1,
            "template": {"metadata": {"labels": self.shard_labels()}, "spec": self.job_spec()},
        });
        let spec = json!({
            "network": {"enableDNSHostnames": true, "subdomain": self.name, "publishNotReadyAddresses": true},
            "failurePolicy": {"maxRestarts": 0},
            "replicatedJobs": [shards],
        });
        self.object("jobset.x-k8s.io/v1alpha2", "JobSet", &self.name, &spec)
    }

    fn shard_spec(&self) -> Value {
        let pod = Pod {
            args: self.args,
            claim: self.claim_name(),
            folder: format!("{}/{SHARDS}", self.name),
            words: self.words(),
            shard: Some(Shard {
                files: self.files,
                config: self.config_name(),
                secret: self.secret_name(),
                environment: vec![
                    json!({"name": SHARDS_VARIABLE, "value": self.args.shards.to_string()}),
                    json!({"name": RUN_ID, "valueFrom": {"fieldRef": {"fieldPath": JOB}}}),
                ],
                port: PORT,
            }),
        };
        let mut spec = pod.spec();
        if !self.args.jobset {
            spec["subdomain"] = json!(self.name);
        }
        let stop = self.run.scenarios.iter().map(|it| it.graceful_stop);
        let stop_s = stop.max().unwrap_or_default().as_secs();
        spec["terminationGracePeriodSeconds"] = json!(stop_s + WRITING_S);
        // Shards of one machine would share what it can do.
        spec["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": self.shard_labels()},
        }]);
        spec
    }

    /// What a shard is told.
    fn words(&self) -> Vec<String> {
        let first = match self.args.jobset {
            true => format!("{}-{SHARDS}-0-0", self.name),
            false => format!("{}-0", self.name),
        };
        // Kubernetes puts variables in the place of $(NAME), and $ in that of $$.
        let plain = |it: &String| it.replace('$', "$$");
        let scenario = self.files.scenario.iter().map(plain);
        let flags = self.run.flags.iter().map(plain);
        let mut own = vec![
            "--shard".to_owned(),
            "auto".to_owned(),
            "--coordinator".to_owned(),
            format!("{first}.{}:{PORT}", self.name),
        ];
        if !self.run.says_how_long_to_wait {
            own.extend(["--wait-for-shards".to_owned(), WAITING.to_owned()]);
        }
        own.extend([
            "--out".to_owned(),
            format!("json={RESULTS}/$(JOB_COMPLETION_INDEX).json"),
        ]);
        let words = ["run".to_owned()].into_iter();
        words.chain(scenario).chain(flags).chain(own).collect()
    }

    /// Waits until it is told that all are over: shards that were lost keep it from knowing.
    fn merge(&self) -> Value {
        let mut words = vec![
            "merge".to_owned(),
            format!("{RESULTS}/{SHARDS}"),
            "--strict".to_owned(),
        ];
        for (kind, name) in [
            ("json", "whole.json"),
            ("html", "report.html"),
            ("junit", "junit.xml"),
        ] {
            words.extend(["--out".to_owned(), format!("{kind}={RESULTS}/{name}")]);
        }
        let pod = Pod {
            args: self.args,
            claim: self.claim_name(),
            folder: self.name.clone(),
            words,
            shard: None,
        };
        let spec = json!({
            "suspend": true,
            "backoffLimit": 0,
            "template": {"metadata": {"labels": self.labels_of(Self::MERGE)}, "spec": pod.spec()},
        });
        let metadata = self.metadata_of(&self.merge_name(), Self::MERGE);
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    }
}

/// What was asked for, or what the scenario's file is called.
fn name(args: &KubernetesArgs) -> Result<String, KubernetesError> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let Some(file) = args.suite_file() else {
        return Ok("loadgen".to_owned());
    };
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.to_ascii_lowercase();
    let parts = stem.split(|c: char| !c.is_ascii_alphanumeric());
    let parts: Vec<&str> = parts.filter(|it| !it.is_empty()).collect();
    let name = parts.join("-");
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    match begins && name.len() <= crate::args::LONGEST_RUN_NAME {
        true => Ok(name),
        false => Err(KubernetesError::NoName {
            file: file.to_owned(),
        }),
    }
}

fn token() -> Result<String, KubernetesError> {
    let mut random = [0; 32];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| KubernetesError::Random)?;
    Ok(HEXLOWER.encode(&random))
}
