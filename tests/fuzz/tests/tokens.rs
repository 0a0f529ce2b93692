//! Tickets and passes: what we made is known, everything else is not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use stanchion_fuzz::{Edit, edited};
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    pass::{PassError, PassKey},
    queue::Grant,
    secret::Secret,
    ticket::TicketKey,
};

fn secret() -> Secret {
    Secret::from("a secret of the fuzz targets")
}

fn user(bytes: &[u8]) -> Option<UserId> {
    String::from_utf8_lossy(bytes).parse().ok()
}

fn event(id: u128) -> EventId {
    Uuid::from_u128(id).into()
}

fn epoch() -> Epoch {
    "e1".parse().unwrap()
}

#[test]
fn a_ticket_is_known_to_the_letter() {
    bolero::check!()
        .with_type::<(Vec<u8>, u128, u64, Vec<Edit>)>()
        .for_each(|(name, id, number, edits)| {
            let Some(user) = user(name) else { return };
            let (key, event) = (TicketKey::new(&secret()), event(*id));
            let ticket = key.mint(event, &user, &epoch(), *number);
            assert_eq!(key.verify(&ticket, event, &user), Some((epoch(), *number)));
            let other = edited(&ticket, edits);
            if other != ticket {
                assert_eq!(key.verify(&other, event, &user), None, "{other}");
            }
        });
}

#[test]
fn nobody_elses_ticket_is_known() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let key = TicketKey::new(&secret());
        let somebody: UserId = "somebody".parse().unwrap();
        assert_eq!(
            key.verify(&String::from_utf8_lossy(bytes), event(1), &somebody),
            None
        );
    });
}

#[test]
fn a_pass_is_known_to_the_letter_and_to_its_end() {
    type Input = (Vec<u8>, u128, u64, i32, u32, Vec<Edit>);
    bolero::check!()
        .with_type::<Input>()
        .for_each(|(name, id, number, life_ms, age_ms, edits)| {
            let Some(user) = user(name) else { return };
            let (key, event) = (PassKey::new(&secret()), event(*id));
            let issued_at = Timestamp::from_millis(1_800_000_000_000);
            let expires_at =
                Timestamp::from_millis(issued_at.millis() + i64::from(life_ms.unsigned_abs()));
            let grant = Grant {
                pass_id: "p-1".parse().unwrap(),
                number: *number,
                epoch: epoch(),
                issued_at,
                expires_at,
            };
            let pass = key.mint(event, &user, &grant);
            let now = Timestamp::from_millis(issued_at.millis() + i64::from(*age_ms));
            match key.verify(&pass, now) {
                Ok(claims) => {
                    assert!(now < expires_at);
                    assert_eq!(
                        (claims.user, claims.event_id, claims.number),
                        (user, event, *number)
                    );
                }
                Err(PassError::Expired(claims)) => {
                    assert!(expires_at <= now && claims.expires_at == expires_at)
                }
                Err(PassError::Invalid) => panic!("a pass of our own is genuine"),
            }
            let other = edited(&pass, edits);
            if other != pass {
                assert_eq!(
                    key.verify(&other, issued_at),
                    Err(PassError::Invalid),
                    "{other}"
                );
            }
        });
}

#[test]
fn a_ticket_is_no_pass_and_a_pass_no_ticket() {
    bolero::check!()
        .with_type::<(Vec<u8>, u128, u64)>()
        .for_each(|(name, id, number)| {
            let Some(user) = user(name) else { return };
            let (tickets, passes, event) = (
                TicketKey::new(&secret()),
                PassKey::new(&secret()),
                event(*id),
            );
            let at = Timestamp::from_millis(1_800_000_000_000);
            let ticket = tickets.mint(event, &user, &epoch(), *number);
            assert_eq!(passes.verify(&ticket, at), Err(PassError::Invalid));
            let end = Timestamp::from_millis(at.millis() + 60_000);
            let grant = Grant {
                pass_id: "p-1".parse().unwrap(),
                number: *number,
                epoch: epoch(),
                issued_at: at,
                expires_at: end,
            };
            assert_eq!(
                tickets.verify(&passes.mint(event, &user, &grant), event, &user),
                None
            );
        });
}
