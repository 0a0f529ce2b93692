//! The environment of a run: a server, an event, an operator.

use anyhow::{Context, Result};
use tokio::time::{Duration, sleep};
use uuid::Uuid;

use crate::{
    cli::Cli,
    http::Pool,
    loopback::Endpoint,
    output,
    plan::Sale,
    report::{Ending, ServerLog},
    sale::Operator,
    scenario::Script,
    server::{Server, Setup, terminate},
    token::Mint,
};

/// Connections of the operator to each server.
const CONNECTIONS: usize = 2;
/// Time for another node to take over from one that was ended.
const TAKE_OVER: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub struct Testbed {
    own: Option<(Setup, Server)>,
    restarts_in_order: bool,
    /// Where the line is.
    pub gateways: Vec<Endpoint>,
    /// Acts as the shop.
    pub operator: Operator,
    /// The event for sale.
    pub sale: Sale,
    /// The secret of users' tokens.
    pub secret: String,
    /// First part of users' names.
    pub run: String,
}

impl Testbed {
    /// Starts or finds the server, and creates the event.
    ///
    /// # Errors
    /// A server that does not answer or refuses; a host that is not this machine.
    pub async fn set_up(cli: &Cli, script: &Script) -> Result<Self> {
        let (gateways, booking, secret, own) = match cli.url.first() {
            Some(_) => {
                let gateways = cli
                    .url
                    .iter()
                    .map(|url| Endpoint::parse(url))
                    .collect::<Result<Vec<_>>>()?;
                let booking = cli
                    .booking_url
                    .as_deref()
                    .map(Endpoint::parse)
                    .transpose()?;
                let secret = cli.jwt_secret.clone();
                let secret = secret.context(
                    "--url needs --jwt-secret (STANCHION_JWT_SECRET): what tokens are signed with",
                )?;
                let booking = booking.unwrap_or_else(|| gateways[0].clone());
                (gateways, booking, secret, None)
            }
            None => {
                let made_up = || format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
                let secret = cli.jwt_secret.clone().unwrap_or_else(made_up);
                let setup = Setup::new(cli.stanchion.clone(), &secret)?;
                let server = setup.start(None).await?;
                let endpoint = server.endpoint.clone();
                (
                    vec![endpoint.clone()],
                    endpoint,
                    secret,
                    Some((setup, server)),
                )
            }
        };
        let token = Mint::new(&secret).operator()?;
        let pool = |endpoint| Pool::new(endpoint, CONNECTIONS);
        let last = gateways.last().context("a run needs a gateway")?.clone(); // `drain` ends the first
        let operator = Operator {
            gateway: pool(last),
            booking: pool(booking),
            token,
        };

        let run = format!("load-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let sale = operator.create(&run, &script.terms).await?;

        Ok(Self {
            own,
            restarts_in_order: true,
            gateways,
            operator,
            sale,
            secret,
            run,
        })
    }

    /// The processes to be measured.
    pub fn pids(&self, cli: &Cli) -> Vec<u32> {
        self.own_pid()
            .map_or_else(|| cli.server_pid.clone(), |pid| vec![pid])
    }

    /// The own server's process.
    pub fn own_pid(&self) -> Option<u32> {
        self.own.as_ref().and_then(|(_, server)| server.pid())
    }

    /// The own server's database.
    pub fn own_database(&self) -> Option<std::path::PathBuf> {
        self.own.as_ref().map(|(setup, _)| setup.database_file())
    }

    /// Ends a server that people are connected to: the own one is started again on the same
    /// address; of others, the first that was named is ended, for its neighbours to take over.
    ///
    /// # Errors
    /// A server that cannot be ended or started.
    pub async fn restart(&mut self, others: &[u32]) -> Result<()> {
        let Some((setup, server)) = self.own.take() else {
            terminate(
                *others
                    .first()
                    .context("drain on --url needs --server-pid")?,
            )?;
            sleep(TAKE_OVER).await;
            return Ok(());
        };
        let address = server.endpoint.address;

        self.restarts_in_order &= server.stop().await?;
        let server = setup.start(Some(address)).await?;

        self.own = Some((setup, server));
        Ok(())
    }

    /// The remains of the run at its end.
    pub async fn ending(&self) -> Ending {
        let status = self.operator.status(&self.sale).await.unwrap_or_default();
        Ending {
            in_line: status.total_in_queue,
            active_passes: status.active_passes,
            seats_available: self
                .operator
                .available(&self.sale)
                .await
                .unwrap_or_default(),
            seats: u64::from(self.sale.zone_capacity) * self.sale.zones.len() as u64,
        }
    }

    /// Ends the own server, or closes the event on another server.
    ///
    /// # Errors
    /// A server that cannot be ended.
    pub async fn tear_down(self, cli: &Cli) -> Result<ServerLog> {
        let Some((setup, server)) = self.own else {
            if let Err(error) = self.operator.set_state(&self.sale, "closed").await {
                output::report(&format!(
                    "stanchion-load: the event {} could not be closed on {:?}: {error:#}",
                    self.sale.event, cli.url
                ));
            }
            return Ok(ServerLog::default());
        };
        let in_order = server.stop().await? && self.restarts_in_order;
        let (warnings, last) = setup.log();

        Ok(ServerLog {
            ended_in_order: Some(in_order),
            warnings,
            last,
        })
    }
}
