//! A user who joins by REST and asks again and again, at any gateway.

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use stanchion_audit::Way;

use super::{ANSWER, Heard, Turn, User, why};

impl User {
    pub(super) async fn by_polling(&mut self, gateway: &str) -> Result<Turn> {
        let mut heard = self.join(gateway).await?;
        loop {
            let mut knows = true;
            match heard {
                Heard::Pass(pass) => {
                    let turn = self.buy(pass.clone()).await?;
                    self.sight.pass_is_gone(&pass);
                    return Ok(turn);
                }
                Heard::News => self.pause(1.2, 2.0).await,
                Heard::Refused(code) => {
                    self.pause(0.7, 1.7).await;
                    match code.as_str() {
                        "RATE_LIMITED" => {}
                        // A line that was lost may know only whoever shows their ticket.
                        "UNAVAILABLE" => knows = false,
                        _ => return Ok(Turn::Again(code)),
                    }
                }
            }
            let gateway = self.sale.gateway(&mut self.random).to_owned();
            if !knows {
                heard = self.join(&gateway).await?;
                continue;
            }
            let path = format!("/queue/position/{}", self.sale.event);
            let request = self.to_gateway(Method::GET, &gateway, &path);
            heard = self.ask(request, &gateway).await?;
        }
    }

    /// Joins by REST, with the ticket if there is one.
    pub(super) async fn join(&mut self, gateway: &str) -> Result<Heard> {
        let request = self
            .to_gateway(Method::POST, gateway, "/queue/join")
            .json(&self.sight.join(self.sale.event));
        self.ask(request, gateway).await
    }

    pub(super) fn to_gateway(&self, method: Method, gateway: &str, path: &str) -> RequestBuilder {
        self.sale
            .http
            .request(method, format!("{gateway}/api/v1{path}"))
            .bearer_auth(&self.token)
    }

    async fn ask(&mut self, request: RequestBuilder, gateway: &str) -> Result<Heard> {
        let response = request
            .timeout(ANSWER)
            .send()
            .await
            .map_err(|error| anyhow::anyhow!(why(&error)))?;
        let status = response.status();
        let body: Value = response
            .json()
            .await
            .map_err(|error| anyhow::anyhow!(why(&error)))?;

        if status.is_success() {
            return Ok(self.sight.place(&body, gateway, Way::Poll));
        }

        let code = body["code"]
            .as_str()
            .with_context(|| format!("{status} without a code"))?;
        Ok(self.sight.refused(code))
    }
}
