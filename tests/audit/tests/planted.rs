//! A clean world, in which the auditor finds nothing, and every violation planted into it, which it
//! finds.

#![expect(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeMap;

use stanchion_audit::{
    Answer, Booking, Database, Decision, Engine, Fault, LineSettings, Message, Outcome, Record,
    Rule, Seen, Status, Stock, Stream, Unwhole, Walk, Way, World, Zone, audit, recoveries,
    violations,
};
use uuid::Uuid;

const USERS: u64 = 40;
const BEGAN_MS: i64 = 1_700_000_000_000;
const LINE: LineSettings = LineSettings {
    rate: 10.0,
    burst: 5.0,
    cap: 50,
    pass_ttl_ms: 60_000,
    claim_window_ms: 10_000,
};

fn zone() -> Uuid {
    Uuid::from_u128(1)
}

fn booking_of(user: u64) -> Uuid {
    Uuid::from_u128(1_000 + u128::from(user))
}

fn name(user: u64) -> String {
    format!("u{user}")
}

fn became(user: u64) -> Status {
    [Status::Confirmed, Status::Cancelled, Status::Expired][(user % 3) as usize]
}

fn answer(status: u16, booking: Option<Uuid>) -> Answer {
    Answer {
        status,
        code: None,
        booking,
    }
}

/// Forty users who join, wait, get their passes in order, reserve two seats each, and confirm,
/// cancel or let expire.
fn clean() -> World {
    let mut world = World {
        line: LINE,
        stream: Some(Stream::default()),
        ..World::default()
    };

    for user in 0..USERS {
        live(&mut world, user);
    }

    let sold: BTreeMap<String, i64> = (0..USERS)
        .filter(|user| became(*user) == Status::Confirmed)
        .map(|user| (name(user), 2))
        .collect();
    let confirmed = 2 * sold.len() as i64;

    world.database.zones = vec![Zone {
        zone_id: zone(),
        capacity: 100,
        held: 0,
        confirmed,
    }];
    world.engine = Some(Engine {
        zones: BTreeMap::from([(zone(), 100 - confirmed)]),
        stock: Some(Stock {
            seats_left: 100 - confirmed,
            user_seats: sold,
            ..Stock::default()
        }),
    });
    world
}

fn live(world: &mut World, user: u64) {
    let joined = BEGAN_MS + 10 * user as i64;
    let issued = BEGAN_MS + 10_000 + 100 * (user as i64 - 4).max(0);
    let told = issued + 20;
    let (booking, pass_id, number) = (booking_of(user), format!("p-{user}"), user + 1);
    let mut see = |at_ms: i64, seen: Seen| {
        world.records.push(Record {
            at_ms,
            user: name(user),
            seen,
        })
    };

    let position = |position: u64| Seen::Position {
        connection: 1,
        gateway: "gateway-1".into(),
        position,
        way: Way::Socket,
    };
    see(
        joined,
        Seen::Ticket {
            number,
            epoch: "e".into(),
        },
    );
    see(joined + 1, position(number));

    for ahead in (1..number).rev().step_by(7) {
        see(told - 100 * ahead as i64, position(ahead));
    }

    let ends_at_ms = issued + LINE.pass_ttl_ms;
    see(
        told,
        Seen::Pass {
            pass_id: pass_id.clone(),
            number,
            epoch: "e".into(),
            ends_at_ms,
            first: true,
        },
    );

    let reserve = Seen::Reserve {
        key: name(user),
        pass_id: pass_id.clone(),
        zone: zone(),
        quantity: 2,
        answer: answer(201, Some(booking)),
    };
    see(told + 500, reserve);

    let decision = match became(user) {
        Status::Confirmed => Some((Decision::Confirm, Outcome::Confirmed)),
        Status::Cancelled => Some((Decision::Cancel, Outcome::Cancelled)),
        _ => None,
    };

    if let Some((decision, _)) = decision {
        see(
            told + 1_000,
            Seen::Decide {
                booking,
                decision,
                answer: answer(200, None),
            },
        );
    }

    see(
        told + 2_000,
        Seen::Detached {
            connection: 1,
            why: "done".into(),
        },
    );
    see(
        told + 2_000,
        Seen::End {
            outcome: decision.map_or(Outcome::LeftToExpire, |(_, outcome)| outcome),
        },
    );
    world.database.bookings.push(Booking {
        booking_id: booking,
        zone_id: zone(),
        user_id: name(user),
        quantity: 2,
        status: became(user),
        pass_id,
        created_at_ms: issued + 500,
        expires_at_ms: issued + 10_500,
    });

    let messages = &mut world.stream.as_mut().unwrap().messages;
    for change in ["reserved", became(user).name()] {
        messages.push(Message {
            sequence: messages.len() as u64 + 1,
            id: format!("{booking}:{change}"),
        });
    }
}

/// A user's records that match, in order.
fn of(world: &mut World, user: u64, matches: impl Fn(&Seen) -> bool) -> Vec<&mut Record> {
    let name = name(user);
    let mut records: Vec<&mut Record> = world
        .records
        .iter_mut()
        .filter(|record| record.user == name && matches(&record.seen))
        .collect();
    records.sort_by_key(|record| record.at_ms);
    records
}

fn is_pass(seen: &Seen) -> bool {
    matches!(seen, Seen::Pass { .. })
}

fn is_position(seen: &Seen) -> bool {
    matches!(seen, Seen::Position { .. })
}

fn is_reserve(seen: &Seen) -> bool {
    matches!(seen, Seen::Reserve { .. })
}

/// Adds a record, so long after the user's first that matches.
fn after(world: &mut World, user: u64, matches: impl Fn(&Seen) -> bool, by_ms: i64, seen: Seen) {
    let at_ms = of(world, user, matches)[0].at_ms + by_ms;
    world.records.push(Record {
        at_ms,
        user: name(user),
        seen,
    });
}

fn pass_end(record: &mut Record) -> &mut i64 {
    match &mut record.seen {
        Seen::Pass { ends_at_ms, .. } => ends_at_ms,
        other => panic!("{other:?} is no pass"),
    }
}

fn pass_again(pass_id: &str, number: u64, epoch: &str, ends_at_ms: i64, first: bool) -> Seen {
    Seen::Pass {
        pass_id: pass_id.into(),
        number,
        epoch: epoch.into(),
        ends_at_ms,
        first,
    }
}

fn row(world: &mut World, user: u64) -> &mut Booking {
    world
        .database
        .bookings
        .iter_mut()
        .find(|row| row.user_id == name(user))
        .unwrap()
}

fn stock(world: &mut World) -> &mut Stock {
    world.engine.as_mut().unwrap().stock.as_mut().unwrap()
}

fn add_to_engine(world: &mut World, seats: i64) {
    *world
        .engine
        .as_mut()
        .unwrap()
        .zones
        .get_mut(&zone())
        .unwrap() += seats;
    stock(world).seats_left += seats;
}

fn messages(world: &mut World) -> &mut Vec<Message> {
    &mut world.stream.as_mut().unwrap().messages
}

fn release_behind_others(world: &mut World) {
    let early = *pass_end(of(world, 20, is_pass)[0]);
    let late = *pass_end(of(world, 25, is_pass)[0]);

    *pass_end(of(world, 25, is_pass)[0]) = early;

    for record in of(world, 20, |seen| {
        !is_position(seen) && !matches!(seen, Seen::Ticket { .. })
    }) {
        record.at_ms += late - early;
    }

    *pass_end(of(world, 20, is_pass)[0]) = late;
}

/// User 20 gets the pass after user 21.
fn delay_pass(world: &mut World) {
    for record in of(world, 20, |seen| {
        !is_position(seen) && !matches!(seen, Seen::Ticket { .. } | Seen::Left)
    }) {
        record.at_ms += 150;
    }
    *pass_end(of(world, 20, is_pass)[0]) += 150;
}

/// Ten users in the middle get their passes after all others, and user 39 is shown a position that
/// leaves them out.
fn delay_ten_passes(world: &mut World) {
    let shown_at = BEGAN_MS + 12_050;
    world
        .records
        .retain(|record| !is_position(&record.seen) || record.at_ms < BEGAN_MS + 1_000);
    world.records.push(Record {
        at_ms: shown_at,
        user: name(39),
        seen: Seen::Position {
            connection: 1,
            gateway: "gateway-1".into(),
            position: 15,
            way: Way::Socket,
        },
    });

    for user in 10..20 {
        for record in of(world, user, |seen| {
            !is_position(seen) && !matches!(seen, Seen::Ticket { .. })
        }) {
            record.at_ms += 4_000;
        }
        *pass_end(of(world, user, is_pass)[0]) += 4_000;
    }
}

fn grow(world: &mut World, on: u32, by: Way) {
    let Seen::Position {
        connection,
        position,
        way,
        ..
    } = &mut of(world, 30, is_position).remove(1).seen
    else {
        panic!()
    };
    (*connection, *way) = (on, by);
    *position += 20;
}

fn number_changes(world: &mut World, reason: Option<Seen>, at_ms: i64) {
    let user = name(30);
    world
        .records
        .retain(|record| record.user != user || !is_position(&record.seen) || record.at_ms < at_ms);
    world.records.extend(reason.map(|seen| Record {
        at_ms: at_ms - 1,
        user: user.clone(),
        seen,
    }));

    let seen = Seen::Ticket {
        number: 999,
        epoch: "f".into(),
    };
    world.records.push(Record { at_ms, user, seen });

    let Seen::Pass { number, epoch, .. } = &mut of(world, 30, is_pass).remove(0).seen else {
        panic!()
    };
    (*number, *epoch) = (999, "f".into());
}

fn refused(code: &str, left_ms: i64) -> Seen {
    Seen::PassRefused {
        pass_id: "p-5".into(),
        code: code.into(),
        left_ms,
    }
}

fn never_served(world: &mut World) {
    world.records.retain(|record| {
        let buys = is_pass(&record.seen)
            || is_reserve(&record.seen)
            || matches!(record.seen, Seen::Decide { .. });
        record.user != name(38) || !buys
    });

    for record in of(world, 38, |seen| matches!(seen, Seen::End { .. })) {
        record.seen = Seen::End {
            outcome: Outcome::Unfinished,
        };
    }

    world
        .database
        .bookings
        .retain(|row| row.user_id != name(38));
    messages(world).retain(|message| !message.id.starts_with(&booking_of(38).to_string()));
}

fn same_key_another_booking(user: u64) -> Seen {
    let (first, second) = (booking_of(user), Uuid::from_u128(77));
    Seen::AnotherBooking {
        first,
        second,
        repeated: "the same key".into(),
    }
}

fn wants_in_vain(user: u64) -> Seen {
    let answer = Answer {
        status: 409,
        code: Some("INSUFFICIENT_SEATS".into()),
        booking: None,
    };

    Seen::Reserve {
        key: format!("{user}-x"),
        pass_id: format!("p-{user}"),
        zone: zone(),
        quantity: 2,
        answer,
    }
}

fn walk(at_ms: i64, gateway: &str, failed: Option<Unwhole>) -> Walk {
    let (gateway, booking) = (gateway.to_owned(), "booking-1".to_owned());
    Walk {
        gateway,
        booking,
        began_ms: at_ms,
        ended_ms: at_ms + 200,
        failed,
    }
}

fn not_found() -> Unwhole {
    Unwhole {
        step: "cancel".into(),
        status: 404,
        why: "BOOKING_NOT_FOUND".into(),
    }
}

type Plant = (&'static str, Rule, fn(&mut World));

const PLANTED: &[Plant] = &[
    (
        "a pass released before those in front",
        Rule::Order,
        release_behind_others,
    ),
    (
        "a pass released a moment after the next one",
        Rule::Order,
        delay_pass,
    ),
    (
        "a position that grows within a connection",
        Rule::Position,
        |w| grow(w, 1, Way::Socket),
    ),
    (
        "a position that grows across connections",
        Rule::Position,
        |w| grow(w, 2, Way::Stream),
    ),
    (
        "a position that grows from poll to poll",
        Rule::Position,
        |w| grow(w, 1, Way::Poll),
    ),
    (
        "a position among a few of those who wait",
        Rule::Position,
        |w| {
            after(
                w,
                39,
                is_position,
                5_000,
                Seen::Position {
                    connection: 1,
                    gateway: "gateway-1".into(),
                    position: 2,
                    way: Way::Socket,
                },
            );
            for record in of(w, 39, is_position).into_iter().skip(1) {
                let Seen::Position { position, .. } = &mut record.seen else {
                    panic!()
                };
                *position = (*position).min(2);
            }
        },
    ),
    (
        "positions that leave out ten users who are connected",
        Rule::Position,
        delay_ten_passes,
    ),
    ("ten passes in one moment", Rule::Rate, |w| {
        let end = *pass_end(of(w, 20, is_pass)[0]);
        for user in 20..30 {
            *pass_end(of(w, user, is_pass)[0]) = end;
        }
    }),
    ("more live passes than the cap", Rule::Cap, |w| {
        w.line.cap = 4
    }),
    ("a pass that made two bookings", Rule::Pass, |w| {
        let mut again = of(w, 3, is_reserve)[0].clone();
        if let Seen::Reserve { answer, .. } = &mut again.seen {
            answer.booking = Some(Uuid::from_u128(77));
        }
        w.records.push(again);
    }),
    ("two rows of one pass", Rule::Pass, |w| {
        row(w, 3).pass_id = "p-4".into()
    }),
    ("a key that made two bookings", Rule::Pass, |w| {
        after(w, 3, is_reserve, 10, same_key_another_booking(3))
    }),
    ("a 201 without a row", Rule::Durable, |w| {
        w.database.bookings.retain(|row| row.user_id != name(1))
    }),
    ("a 201 of another user's row", Rule::Durable, |w| {
        row(w, 1).user_id = name(2)
    }),
    ("a 201 of another number of seats", Rule::Durable, |w| {
        row(w, 1).quantity = 3
    }),
    ("a confirm that does not stay", Rule::Durable, |w| {
        row(w, 0).status = Status::Expired
    }),
    ("a cancel that does not stay", Rule::Durable, |w| {
        row(w, 1).status = Status::Confirmed
    }),
    ("a told booking that is not found", Rule::Durable, |w| {
        let answer = Answer {
            status: 404,
            code: Some("BOOKING_NOT_FOUND".into()),
            booking: None,
        };
        after(
            w,
            5,
            is_reserve,
            200,
            Seen::Decide {
                booking: booking_of(5),
                decision: Decision::Confirm,
                answer,
            },
        );
    }),
    ("a walk's booking that is not found", Rule::Durable, |w| {
        w.walks.push(walk(BEGAN_MS, "gateway-1", Some(not_found())));
    }),
    ("an oversold zone", Rule::Seats, |w| {
        w.database.zones[0].capacity = 20
    }),
    ("a counter that differs from the rows", Rule::Seats, |w| {
        w.database.zones[0].held = 2
    }),
    ("seats that the engine lacks", Rule::Seats, |w| {
        add_to_engine(w, -2)
    }),
    ("seats that the engine has too many", Rule::Seats, |w| {
        add_to_engine(w, 2)
    }),
    ("a zone that the engine lacks", Rule::Seats, |w| {
        w.engine.as_mut().unwrap().zones.clear()
    }),
    ("a sum that differs from the zones", Rule::Seats, |w| {
        stock(w).seats_left += 1
    }),
    (
        "seats of a user that the engine counts wrongly",
        Rule::Seats,
        |w| {
            stock(w).user_seats.insert(name(1), 2);
        },
    ),
    (
        "seats of a user that the engine does not count",
        Rule::Seats,
        |w| {
            stock(w).user_seats.remove(&name(0));
        },
    ),
    ("a hold that nobody committed", Rule::Seats, |w| {
        stock(w).uncommitted.insert(Uuid::from_u128(5));
    }),
    ("a hold that the database does not know", Rule::Seats, |w| {
        stock(w).holds.insert(Uuid::from_u128(5));
    }),
    (
        "a refusal for want of seats that were there",
        Rule::Seats,
        |w| {
            w.database.zones[0].capacity = 1_000;
            add_to_engine(w, 900);
            after(w, 5, is_reserve, -10, wants_in_vain(5));
        },
    ),
    ("a message twice", Rule::Stream, |w| {
        let id = messages(w)[0].id.clone();
        messages(w).push(Message { sequence: 999, id });
    }),
    ("a message that is missing", Rule::Stream, |w| {
        messages(w).remove(7);
    }),
    (
        "a message of a booking that does not exist",
        Rule::Stream,
        |w| {
            messages(w).push(Message {
                sequence: 999,
                id: format!("{}:reserved", Uuid::from_u128(5)),
            });
        },
    ),
    ("an end before its beginning", Rule::Stream, |w| {
        let (first, second) = (messages(w)[0].sequence, messages(w)[1].sequence);
        (messages(w)[0].sequence, messages(w)[1].sequence) = (second, first);
    }),
    ("messages that are not published", Rule::Stream, |w| {
        w.database.messages_waiting = 3
    }),
    ("a user who never had a pass", Rule::Pass, never_served),
    ("a second pass without a reason", Rule::Pass, |w| {
        let end = *pass_end(of(w, 5, is_pass)[0]) + 5_000;
        after(w, 5, is_pass, 300, pass_again("p-x", 6, "e", end, true));
    }),
    ("a pass of two users", Rule::Pass, |w| {
        let end = *pass_end(of(w, 5, is_pass)[0]);
        after(w, 6, is_pass, 300, pass_again("p-5", 6, "e", end, false));
    }),
    ("a pass whose end came nearer", Rule::Pass, |w| {
        let end = *pass_end(of(w, 5, is_pass)[0]) - 1_000;
        after(w, 5, is_pass, 300, pass_again("p-5", 6, "e", end, false));
    }),
    ("an unused pass that is refused as used", Rule::Pass, |w| {
        after(w, 5, is_pass, 100, refused("PASS_USED", 30_000))
    }),
    (
        "a pass that is refused as expired with time left",
        Rule::Pass,
        |w| {
            after(w, 5, is_pass, 100, refused("PASS_EXPIRED", 30_000));
        },
    ),
    (
        "a pass that is taken back without a word",
        Rule::Pass,
        |w| {
            after(w, 5, is_pass, 100, refused("PASS_REVOKED", 30_000));
        },
    ),
    ("another number without a reason", Rule::Place, |w| {
        number_changes(w, None, BEGAN_MS + 5_000)
    }),
    (
        "another number for a user who was removed without asking",
        Rule::Place,
        |w| {
            number_changes(
                w,
                Some(Seen::Refusal {
                    code: "REMOVED".into(),
                }),
                BEGAN_MS + 5_000,
            );
        },
    ),
    (
        "another number after a pass that expired with time left",
        Rule::Place,
        |w| {
            number_changes(w, Some(refused("PASS_EXPIRED", 30_000)), BEGAN_MS + 5_000);
        },
    ),
    (
        "a pass of another number than the ticket's",
        Rule::Place,
        |w| {
            let Seen::Pass { number, .. } = &mut of(w, 30, is_pass).remove(0).seen else {
                panic!()
            };
            *number = 999;
        },
    ),
    (
        "another number for a user who was away at a fault that cost no line",
        Rule::Place,
        |w| {
            w.faults.push(loss(BEGAN_MS + 4_000));
            after(
                w,
                30,
                is_position,
                10,
                Seen::Detached {
                    connection: 1,
                    why: "away".into(),
                },
            );
            number_changes(w, None, BEGAN_MS + 5_000);
            for record in of(w, 30, |seen| {
                matches!(seen, Seen::Ticket { .. } | Seen::Pass { .. })
            }) {
                if let Seen::Ticket { epoch, .. } | Seen::Pass { epoch, .. } = &mut record.seen {
                    *epoch = "e".into();
                }
            }
        },
    ),
    (
        "another number for a user who was there at the loss",
        Rule::Place,
        |w| {
            w.faults.push(loss(BEGAN_MS + 4_000));
            number_changes(
                w,
                Some(Seen::Refusal {
                    code: "NOT_IN_QUEUE".into(),
                }),
                BEGAN_MS + 5_000,
            );
        },
    ),
];

fn loss(at_ms: i64) -> Fault {
    let (what, target) = ("FLUSHALL".into(), "redis".into());
    Fault {
        what,
        target,
        from_ms: at_ms,
        to_ms: at_ms,
        silences: true,
        loses_commits: false,
    }
}

#[test]
fn a_clean_world_has_no_violation() {
    let found = audit(&clean());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_planted_violation_is_found() {
    let missed: Vec<&str> = PLANTED
        .iter()
        .filter(|(_, rule, plant)| {
            let mut world = clean();
            plant(&mut world);
            let found = audit(&world);
            let is_found = violations(&found).any(|finding| finding.rule == *rule);
            !is_found
        })
        .map(|(what, ..)| *what)
        .collect();

    assert!(
        missed.is_empty(),
        "of {} planted violations these were missed: {missed:#?}",
        PLANTED.len()
    );
}

#[test]
fn what_the_documents_allow_is_no_violation() {
    let allowed: [fn(&mut World); 8] = [
        // A user whose pass ran out.
        |w| {
            number_changes(
                w,
                Some(Seen::Refusal {
                    code: "PASS_EXPIRED".into(),
                }),
                BEGAN_MS + 5_000,
            )
        },
        // A user who left, and whose number is passed by.
        |w| {
            after(
                w,
                20,
                |seen| matches!(seen, Seen::Ticket { .. }),
                6_000,
                Seen::Left,
            );
            delay_pass(w);
        },
        // A user who was away when the line was lost.
        |w| {
            w.faults.push(loss(BEGAN_MS + 4_000));
            let Record { at_ms, .. } = *of(w, 30, is_position)[0];
            let seen = Seen::Detached {
                connection: 1,
                why: "away".into(),
            };
            w.records.push(Record {
                at_ms: at_ms + 10,
                user: name(30),
                seen,
            });
            number_changes(w, None, BEGAN_MS + 5_000);
        },
        // A user who left and came again.
        |w| number_changes(w, Some(Seen::Left), BEGAN_MS + 5_000),
        // A pass whose end is put off.
        |w| {
            let end = *pass_end(of(w, 5, is_pass)[0]) + 4_000;
            after(w, 5, is_pass, 300, pass_again("p-5", 6, "e", end, false));
        },
        // Users who were passed over while their gateway was silent.
        |w| {
            w.faults.push(loss(BEGAN_MS + 9_000));
            release_behind_others(w);
        },
        // Users whose gateway was silent, and who are out of the count.
        |w| {
            w.faults.push(loss(BEGAN_MS + 9_000));
            delay_ten_passes(w);
        },
        // What a stream held that was thrown away.
        |w| {
            w.stream.as_mut().unwrap().lost = true;
            messages(w).drain(..10);
        },
    ];

    for (at, allow) in allowed.iter().enumerate() {
        let mut world = clean();
        allow(&mut world);
        let found = audit(&world);
        let found: Vec<_> = violations(&found).collect();
        assert!(found.is_empty(), "{at}: {found:#?}");
    }
}

#[test]
fn a_world_survives_being_written_down() {
    let mut world = clean();
    world
        .walks
        .push(walk(BEGAN_MS, "gateway-1", Some(not_found())));
    let written = serde_json::to_string(&world).unwrap();
    let read: World = serde_json::from_str(&written).unwrap();
    assert_eq!((read.records, read.walks), (world.records, world.walks));
    assert_eq!((read.database, read.engine), (world.database, world.engine));
}

#[test]
fn whole_again_is_the_first_walk_of_the_last_pair() {
    let mut world = World {
        line: LINE,
        database: Database::default(),
        ..World::default()
    };
    world.faults.push(loss(BEGAN_MS));

    let failed = || {
        Some(Unwhole {
            step: "join".into(),
            status: 503,
            why: "UNAVAILABLE".into(),
        })
    };
    world.walks = vec![
        walk(BEGAN_MS + 100, "gateway-1", failed()),
        walk(BEGAN_MS + 400, "gateway-2", failed()),
        walk(BEGAN_MS + 700, "gateway-1", None),
        walk(BEGAN_MS + 900, "gateway-2", None),
        walk(BEGAN_MS + 5_000, "gateway-2", None),
    ];

    let recovery = recoveries(&world).remove(0);
    assert_eq!((recovery.whole_ms, recovery.failed_walks), (Some(1_100), 2));
    world.walks.truncate(3);

    assert_eq!(
        recoveries(&world)[0].whole_ms,
        None,
        "a pair that never succeeds is not whole"
    );
}

/// Users whose connection ended at a fault, and how long after it they were told their place again.
fn cut_off(returns: &[(u64, Option<i64>)]) -> World {
    let mut world = World {
        line: LINE,
        ..World::default()
    };
    world.faults.push(loss(BEGAN_MS));

    for (user, back) in returns {
        let mut see = |at_ms: i64, seen: Seen| {
            world.records.push(Record {
                at_ms,
                user: name(*user),
                seen,
            })
        };
        let told = |connection: u32| Seen::Position {
            connection,
            gateway: "gateway-1".into(),
            position: 7,
            way: Way::Socket,
        };
        see(BEGAN_MS - 500, told(1));
        see(
            BEGAN_MS + 5,
            Seen::Detached {
                connection: 1,
                why: "closed 1006".into(),
            },
        );
        if let Some(back) = back {
            see(BEGAN_MS + back, told(2));
        }
        see(
            BEGAN_MS + 60_000,
            Seen::End {
                outcome: Outcome::Unfinished,
            },
        );
    }

    world
}

#[test]
fn who_is_back_in_line_is_counted_from_the_beginning_of_the_fault() {
    let mut returns: Vec<_> = (0..100)
        .map(|user| (user, Some(10 * (user as i64 + 1))))
        .collect();
    let back = recoveries(&cut_off(&returns)).remove(0).back.unwrap();

    assert_eq!(
        (back.users, back.most_ms, back.all_ms),
        (100, Some(950), Some(1_000))
    );
    returns[99].1 = None;

    let back = recoveries(&cut_off(&returns)).remove(0).back.unwrap();
    assert_eq!(
        (back.most_ms, back.all_ms),
        (Some(950), None),
        "one who never was is not back"
    );

    let mut away = cut_off(&returns[..1]);
    away.records[1].seen = Seen::Detached {
        connection: 1,
        why: "goes away".into(),
    };
    assert_eq!(recoveries(&away)[0].back, None, "who goes was not cut off");
}

#[test]
fn who_asked_to_leave_has_no_claim_to_the_place() {
    let mut world = clean();
    after(&mut world, 30, is_position, 5, Seen::Leaves);
    number_changes(&mut world, None, BEGAN_MS + 5_000);

    let broken: Vec<Rule> = violations(&audit(&world))
        .map(|finding| finding.rule)
        .collect();
    assert!(
        !broken.contains(&Rule::Place),
        "the answer may be lost: {broken:?}"
    );
}

/// A world in which a booking that was told with 201 is gone, and from when to when commits may
/// have been lost, seen from there.
fn gone_with_a_primary(from_ms: i64, to_ms: i64) -> World {
    let mut world = clean();
    let told = of(&mut world, 5, is_reserve)[0].at_ms;

    world
        .database
        .bookings
        .retain(|row| row.booking_id != booking_of(5));
    world.faults.push(Fault {
        what: "failover".into(),
        from_ms: told + from_ms,
        to_ms: told + to_ms,
        loses_commits: true,
        ..loss(told)
    });
    world
}

#[test]
fn what_an_asynchronous_standby_lacks_is_documented() {
    let found = audit(&gone_with_a_primary(-100, 100));
    let rules: Vec<Rule> = found.iter().map(|finding| finding.rule).collect();

    assert_eq!(
        (rules, violations(&found).count()),
        (vec![Rule::Durable, Rule::Stream], 0),
        "{found:#?}"
    );

    let later = audit(&gone_with_a_primary(100, 200));
    let broken: Vec<Rule> = violations(&later).map(|finding| finding.rule).collect();

    assert_eq!(
        broken,
        [Rule::Durable],
        "what was committed before is not lost: {later:#?}"
    );
}
