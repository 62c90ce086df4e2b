//! What a certificate says of itself: by whom it is, for whom, and for how long.
//!
//! Owns reading no more of one than that (RFC 5280, 4.1). What cannot be read is nothing: the other side
//! judges it.

/// What is read of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// Who signed it, as it is encoded.
    pub(super) issuer: &'a [u8],
    /// Whom it is for, as it is encoded.
    pub(super) subject: &'a [u8],
    /// From when on it holds, as `2026-01-31T23:59:59Z`: texts of this form stand in the order of time.
    pub(super) from: String,
    /// The last moment at which it holds.
    pub(super) until: String,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The field with the version, which is left out in those of version 1.
const VERSION: u8 = 0xa0;

/// What a certificate says of itself.
pub(super) fn facts(certificate: &[u8]) -> Option<Facts<'_>> {
    let mut certificate = Elements(Elements(certificate).content(SEQUENCE)?);
    let mut fields = Elements(certificate.content(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.content(VERSION)?;
    }
    // The serial number, and how it is signed.
    fields.content(INTEGER)?;
    fields.content(SEQUENCE)?;
    let issuer = fields.content(SEQUENCE)?;
    let mut validity = Elements(fields.content(SEQUENCE)?);
    Some(Facts {
        issuer,
        subject: fields.content(SEQUENCE)?,
        from: time(validity.next()?)?,
        until: time(validity.next()?)?,
    })
}

/// Elements that follow each other.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// What is in the next one, which must be of this type.
    fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }

    /// The next one's type and what is in it.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let len = digits
                    .iter()
                    .fold(0, |len, digit| (len << 8) | usize::from(*digit));
                (len, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content))
    }
}

/// `260131235959Z`, or with four digits of the year, as `2026-01-31T23:59:59Z`.
fn time((tag, text): (u8, &[u8])) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let text = match tag {
        // Two digits are of 1950 to 2049.
        UTC_TIME if text < "5" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |from, to| text.get(from..to);
    (text.len() == 14).then_some(())?;
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(UTC_TIME, "260131235959Z" => Some("2026-01-31T23:59:59Z".to_owned()))]
    #[test_case(UTC_TIME, "491231000000Z" => Some("2049-12-31T00:00:00Z".to_owned()))]
    #[test_case(UTC_TIME, "500101000000Z" => Some("1950-01-01T00:00:00Z".to_owned()))]
    #[test_case(GENERALIZED_TIME, "40960101000000Z" => Some("4096-01-01T00:00:00Z".to_owned()))]
    #[test_case(UTC_TIME, "2601312359Z" => None; "no seconds")]
    #[test_case(UTC_TIME, "260131235959+0100" => None; "another zone")]
    #[test_case(SEQUENCE, "260131235959Z" => None; "no time")]
    fn times(tag: u8, text: &str) -> Option<String> {
        time((tag, text.as_bytes()))
    }

    #[test]
    fn a_certificate_is_read_and_no_part_of_one() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 3, 4);
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der();
        let facts_of_it = facts(der).unwrap();
        assert_eq!(facts_of_it.issuer, facts_of_it.subject, "it signed itself");
        assert_eq!(facts_of_it.from, "2020-01-02T00:00:00Z");
        assert_eq!(facts_of_it.until, "2051-03-04T00:00:00Z");
        for len in 0..der.len() {
            assert_eq!(facts(&der[..len]), None, "{len} bytes of it");
        }
    }
}
