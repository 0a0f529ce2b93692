//! Behind PgBouncer, by the recipe of the README: with nothing set for booking's sake but the
//! prepared statements. Those are carried in transaction mode from 1.21 on; an older one is tried
//! in session mode.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use booking::{
    model::booking::Status,
    store::{
        AsOf::Fixed, BookingStore, EventStore, HoldResolution, InsertOutcome, InventoryStore,
        OutboxStore, Transition, postgres::PostgresStore,
    },
};
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    databases::own_database,
    fixtures::{NOW, event, later, operator, reservation, transition_request},
    ports,
    process::Process,
    scratch::Scratch,
    wait::eventually,
};

const CARRIES_PREPARED_STATEMENTS: (u32, u32) = (1, 21);

fn version() -> (u32, u32) {
    let asked = Command::new("pgbouncer")
        .arg("--version")
        .output()
        .expect("pgbouncer: run tests/services/install");
    let text = String::from_utf8(asked.stdout).unwrap();
    let (_, numbers) = text.lines().next().unwrap().rsplit_once(' ').unwrap();
    let mut numbers = numbers.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
}

/// In front of this server.
async fn pgbouncer(folder: &Scratch, server: &str) -> (Process, u16) {
    let (host, server_port) = server.rsplit_once(':').unwrap();
    let port = ports::free();
    let mode = match version() >= CARRIES_PREPARED_STATEMENTS {
        true => "pool_mode = transaction\nmax_prepared_statements = 200",
        false => "pool_mode = session",
    };

    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (settings, users) = (folder.join("pgbouncer.ini"), folder.join("users.txt"));

    write(&users, "\"postgres\" \"\"\n");
    let text = format!(
        "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         auth_type = trust\nauth_file = {}\nunix_socket_dir =\ndefault_pool_size = 5\n{mode}\n",
        users.display()
    );

    write(&settings, &text);
    let mut command = Command::new("setpriv");

    command.args(["--pdeathsig", "KILL"]);
    let id = Command::new("id").arg("-u").output().unwrap();

    if id.stdout.trim_ascii() == b"0" {
        command.args(["--reuid", "nobody", "--clear-groups"]); // it refuses to be root
    }

    let process = Process::start(
        "pgbouncer",
        command.arg("pgbouncer").arg(settings),
        folder.path(),
    );
    (process, port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_recipe_of_the_readme() {
    let direct = own_database().await;
    // The first migration wants the server itself.
    PostgresStore::open(&direct, 2).await.unwrap();
    let (credentials, address_and_path) = direct
        .rsplit_once('@')
        .unwrap_or(("postgres://postgres", &direct));
    let (address, path) = address_and_path.split_once('/').unwrap();
    let address = if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:5432")
    };
    let folder = Scratch::new(&format!("pgbouncer-{}", Uuid::new_v4().simple()));
    let (_pgbouncer, port) = pgbouncer(&folder, &address).await;
    let url = format!("{credentials}@127.0.0.1:{port}/{path}");
    let store = eventually("the store", || async {
        PostgresStore::open(&url, 4).await.ok()
    })
    .await;

    let event = event(&[1_000]);
    store.create_event(&event, &operator(NOW)).await.unwrap();
    let made: Vec<_> = (0..30)
        .map(|user| reservation(&event, 0, &format!("u{user}"), 1))
        .collect();
    let stored = join_all(made.chunks(3).map(|batch| store.insert(batch))).await;
    assert!(
        stored
            .into_iter()
            .all(|answer| answer.unwrap() == [InsertOutcome::Stored; 3])
    );
    let wishes: Vec<_> = made[..10]
        .iter()
        .map(|new| transition_request(new, Transition::Confirm))
        .collect();
    join_all(
        wishes
            .chunks(2)
            .map(|batch| store.apply_transitions(batch, Fixed(NOW))),
    )
    .await;
    for _ in 0..8 {
        store.expire_due(Fixed(later(600)), 3).await.unwrap();
        store.snapshot(event.event_id).await.unwrap();
        store.lease_batches(Uuid::nil(), NOW, NOW, 5).await.unwrap();
    }
    let lost = reservation(&event, 0, "eve", 1).booking.booking_id;
    let ids = [
        made[0].booking.booking_id,
        made[29].booking.booking_id,
        lost,
    ];
    let resolutions = store.resolve_holds(event.event_id, &ids).await.unwrap();
    assert_eq!(
        ids.map(|id| resolutions[&id]),
        [
            HoldResolution::Booked(Status::Confirmed),
            HoldResolution::Booked(Status::Expired),
            HoldResolution::Void
        ]
    );
    let counts = store.zone_counts(Some(event.event_id)).await.unwrap();
    assert_eq!((counts[0].held, counts[0].confirmed), (0, 10));

    // Whichever session of the server's it is: none has been left without limits by what another
    // client set.
    let session = url
        .parse::<PgConnectOptions>()
        .unwrap()
        .extra_float_digits(None);
    let sessions =
        join_all((0..4).map(|_| async { PgConnection::connect_with(&session).await })).await;
    let asked = sessions.into_iter().map(|session| async {
        let settings = "SELECT current_setting('statement_timeout') || ' ' || current_setting('lock_timeout'), pg_sleep(0.2)::text";
        let mut session = session.unwrap();
        sqlx::query_as::<_, (String, String)>(settings).fetch_one(&mut session).await.unwrap().0
    });
    for limits in join_all(asked).await {
        assert_eq!(limits, "2s 1s");
    }
}
