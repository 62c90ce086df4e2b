use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use test_case::test_case;
use tokio_rustls::rustls::crypto::ring;

use super::*;

/// 2026-06-01.
const NOW: Duration = Duration::from_secs(1_780_272_000);

/// An authority, one below it, and a client's certificate and key.
struct Chain {
    root: String,
    middle: String,
    leaf: String,
    key: String,
}

fn params(name: &str, is_authority: bool) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn chain(change: impl FnOnce(&mut CertificateParams)) -> Chain {
    let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
    let [root_key, middle_key, key] = keys;
    let root = params("root", true);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(root, root_key);
    let middle = params("middle", true);
    let middle_pem = middle.signed_by(&middle_key, &root).unwrap().pem();
    let middle = Issuer::new(middle, middle_key);
    let mut leaf = params("leaf", false);
    change(&mut leaf);
    Chain {
        root: root_pem,
        middle: middle_pem,
        leaf: leaf.signed_by(&key, &middle).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

fn told(certificates: &str, key: &str) -> String {
    let (certificates, key) = (certificates.as_bytes().to_vec(), key.as_bytes().to_vec());
    let pair = pair(
        (Path::new("cert.pem"), &Ok(certificates)),
        (Path::new("key.pem"), &Ok(key)),
        &ring::default_provider(),
        SystemTime::UNIX_EPOCH + NOW,
    );
    pair.map_or_else(
        |error| error.to_string(),
        |pair| format!("{} certificates", pair.cert.len()),
    )
}

#[test]
fn certificates_in_any_number_in_their_order() {
    let it = chain(|_| {});
    assert_eq!(told(&it.leaf, &it.key), "1 certificates");
    let two = format!("{}{}", it.leaf, it.middle);
    assert_eq!(told(&two, &it.key), "2 certificates");
    let all = format!("{two}{}", it.root);
    assert_eq!(told(&all, &it.key), "3 certificates");
    let text = format!("Bag Attributes\r\n{}", all.replace('\n', "\r\n"));
    assert_eq!(told(&text, &it.key), "3 certificates", "as others write it");
}

#[test]
fn what_is_out_of_order_is_told() {
    let it = chain(|_| {});
    assert_eq!(
        told(&format!("{}{}", it.middle, it.leaf), &it.key),
        "`tls.cert_file` and `tls.key_file`: the key is that of certificate 2 of cert.pem; put it \
         first, and behind it those between it and an authority"
    );
    assert_eq!(
        told(&format!("{}{}{}", it.leaf, it.root, it.middle), &it.key),
        "`tls.cert_file` cert.pem: its certificates are out of order: certificate 1 was signed by \
         certificate 3, which must come next"
    );
}

#[test]
fn what_does_not_go_together_is_told() {
    let (it, other) = (chain(|_| {}), chain(|_| {}));
    assert_eq!(
        told(&it.leaf, &other.key),
        "`tls.cert_file` and `tls.key_file`: the key is not that of the certificate"
    );
    assert_eq!(
        told(&it.key, &it.key),
        "`tls.cert_file` cert.pem: it holds a key and no certificate; a key is `tls.key_file`"
    );
    assert_eq!(
        told(&it.leaf, &it.leaf),
        "`tls.key_file` key.pem: it holds a certificate and no key; a certificate is `tls.cert_file`"
    );
}

#[test_case(2025, 2026 => "`tls.cert_file` cert.pem: the certificate expired at 2026-01-01T00:00:00Z")]
#[test_case(2027, 2028 => "`tls.cert_file` cert.pem: the certificate does not hold before 2027-01-01T00:00:00Z")]
fn times(from: i32, until: i32) -> String {
    let it = chain(|params| {
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
    });
    told(&it.leaf, &it.key)
}

#[test_case("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"; "PKCS 8")]
#[test_case("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"; "what was before it")]
fn a_passphrase_is_not_asked_for(key: &str) {
    assert_eq!(
        told(&chain(|_| {}).leaf, key),
        "`tls.key_file` key.pem: the key has a passphrase, which is not asked for; write it without \
         one: `openssl pkey -in FILE -out FILE`"
    );
}

#[test]
fn what_is_no_key_is_told() {
    let leaf = chain(|_| {}).leaf;
    assert_eq!(
        told(&leaf, "hello"),
        "`tls.key_file` key.pem: holds no private key in PEM form"
    );
    let unknown = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        told(&leaf, unknown),
        "`tls.key_file` key.pem: it is a key of a kind that is not known; those of RSA from 2048 bits \
         on, of ECDSA on P-256 and P-384, and of Ed25519 are"
    );
}
