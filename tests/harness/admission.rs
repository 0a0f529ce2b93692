//! Passes as they were released, and the invariants over all of them: order, rate, cap.

use std::time::Duration;

use waitingroom_domain::{clock::Clock, pass::PassKey, queue::Grant, secret::Secret};

use crate::{
    sale::Sale,
    tokens::{self, PassClaims},
    visitor::Visitor,
};

/// One visitor's pass.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The visitor who received it.
    pub visitor: Visitor,
    /// The token.
    pub pass: String,
    /// The claims of the token.
    pub claims: PassClaims,
}

impl Admission {
    /// A pass that has arrived; checks that it is for this visitor and event.
    pub fn new(visitor: &Visitor, event: &str, pass: &str) -> Self {
        let claims = tokens::pass(pass);
        assert_eq!(
            (claims.sub.as_str(), claims.event_id.as_str()),
            (visitor.name.as_str(), event)
        );

        Self {
            visitor: visitor.clone(),
            pass: pass.to_owned(),
            claims,
        }
    }

    /// A pass of an earlier epoch, made without waiting: valid once, as any other.
    pub fn of_an_earlier_line(visitor: &Visitor, sale: &Sale, number: u64) -> Self {
        let now = Clock::System.now();
        let grant = Grant {
            pass_id: format!("earlier-{number}")
                .parse()
                .expect("a pass's id is printable and short"),
            number,
            epoch: "earlier".parse().expect("letters are an epoch"),
            issued_at: now,
            expires_at: now.plus(Duration::from_secs(3_600)),
        };

        let user = visitor.name.parse().expect("a visitor's name is a user's");
        let event = sale.event.parse().expect("a sale's event is an id");
        let pass = PassKey::new(&Secret::from(tokens::PASS_SECRET)).mint(event, &user, &grant);

        Self::new(visitor, &sale.event, &pass)
    }

    /// When it was released, in milliseconds: its end less its life.
    pub fn released_ms(&self, pass_ttl_seconds: i64) -> i64 {
        let released = self.claims.end - pass_ttl_seconds * 1000;
        // Later if the queue was paused meanwhile: the end was extended by that span.
        assert!(
            released.div_euclid(1000) >= self.claims.iat,
            "iat and end belong to one moment"
        );
        released.min(self.claims.iat * 1000 + 999)
    }

    fn is_put_off(&self, pass_ttl_seconds: i64) -> bool {
        (self.claims.end - pass_ttl_seconds * 1000).div_euclid(1000) > self.claims.iat
    }
}

/// Checks that passes were released in the order of their numbers. If the queue was paused, the
/// ends of some passes were extended, and only the second of their release is known.
pub fn assert_in_order(admissions: &[Admission], pass_ttl_seconds: i64) {
    let stood = admissions
        .iter()
        .any(|one| one.is_put_off(pass_ttl_seconds));
    let released = |one: &Admission| {
        if stood {
            one.claims.iat * 1000
        } else {
            one.released_ms(pass_ttl_seconds)
        }
    };

    let mut released: Vec<_> = admissions
        .iter()
        .map(|one| (released(one), one.claims.num, &one.visitor.name))
        .collect();
    released.sort();

    for pair in released.windows(2) {
        assert!(
            pair[0].1 < pair[1].1,
            "{:?} was released before {:?}",
            pair[0],
            pair[1]
        );
    }
}

/// Checks that no window has more passes than burst + rate × time.
pub fn assert_within_rate(admissions: &[Admission], pass_ttl_seconds: i64, rate: f64, burst: f64) {
    let mut released: Vec<i64> = admissions
        .iter()
        .map(|one| one.released_ms(pass_ttl_seconds))
        .collect();
    released.sort_unstable();

    for (first, from) in released.iter().enumerate() {
        for (last, to) in released.iter().enumerate().skip(first) {
            let (count, span) = ((last - first + 1) as f64, (to - from) as f64 / 1000.0);
            assert!(
                count <= burst + rate * span + 1e-6,
                "{count} passes in {span} s at {rate}/s and a burst of {burst}"
            );
        }
    }
}

/// Checks that at most `cap` passes are unused at any moment: released, and not yet handed to
/// booking. `handed_in_ms` is the moment at which the holder began to reserve. Returns the maximum.
pub fn assert_within_cap(
    admissions: &[Admission],
    pass_ttl_seconds: i64,
    cap: usize,
    handed_in_ms: impl Fn(&Admission) -> i64,
) -> usize {
    let spans: Vec<(i64, i64)> = admissions
        .iter()
        .map(|one| (one.released_ms(pass_ttl_seconds), handed_in_ms(one)))
        .collect();
    let at = |moment: i64| {
        spans
            .iter()
            .filter(|(from, to)| *from <= moment && moment < *to)
            .count()
    };
    let most = spans.iter().map(|(from, _)| at(*from)).max().unwrap_or(0);

    assert!(
        most <= cap,
        "{most} unused passes at one moment, under a cap of {cap}"
    );
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: i64 = 300;

    /// Passes with these numbers, released at these moments (milliseconds).
    fn released(passes: &[(u64, i64)]) -> Vec<Admission> {
        let admission = |(num, at): &(u64, i64)| Admission {
            visitor: Visitor::new(format!("u{num}")),
            pass: String::new(),
            claims: PassClaims {
                iss: "stanchion".into(),
                sub: format!("u{num}"),
                aud: "stanchion:booking".into(),
                event_id: "e".into(),
                purpose: "pass".into(),
                jti: format!("p-{num}"),
                num: *num,
                epoch: "1".into(),
                iat: at / 1000,
                nbf: at / 1000,
                exp: at / 1000 + TTL + 1,
                end: at + TTL * 1000,
            },
        };
        passes.iter().map(admission).collect()
    }

    #[test]
    fn accepts_passes_within_all_limits() {
        let kept = released(&[(2, 1_000), (1, 1_000), (3, 1_100), (4, 1_200), (5, 1_500)]);
        assert_in_order(&kept, TTL);
        assert_within_rate(&kept, TTL, 10.0, 2.0);
        assert_eq!(
            assert_within_cap(&kept, TTL, 2, |one| one.released_ms(TTL) + 100),
            2
        );
    }

    #[test]
    #[should_panic(expected = "was released before")]
    fn rejects_higher_number_released_earlier() {
        assert_in_order(&released(&[(2, 1_000), (1, 1_001)]), TTL);
    }

    #[test]
    #[should_panic(expected = "3 passes in 0.05 s")]
    fn rejects_burst_above_rate_in_any_window() {
        assert_within_rate(
            &released(&[(1, 0), (2, 1_000), (3, 1_020), (4, 1_050)]),
            TTL,
            10.0,
            2.0,
        );
    }

    #[test]
    #[should_panic(expected = "3 unused passes")]
    fn rejects_more_unused_passes_than_cap() {
        assert_within_cap(&released(&[(1, 0), (2, 10), (3, 20)]), TTL, 2, |_| 1_000);
    }
}
