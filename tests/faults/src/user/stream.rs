//! A user who joins by REST and follows the place as server-sent events.

use anyhow::{Result, anyhow};
use futures_util::StreamExt;
use reqwest::{Method, Response};
use serde_json::Value;
use stanchion_audit::Way;
use tokio::time::timeout;

use super::{ANSWER, Heard, SILENCE, Turn, User, why};

impl User {
    pub(super) async fn on_stream(&mut self, gateway: &str) -> Result<Turn> {
        match self.join(gateway).await? {
            Heard::Pass(pass) => return self.buy_and_forget(pass).await,
            Heard::Refused(code) => return Ok(Turn::Again(code)),
            Heard::News => {}
        }

        let path = format!("/queue/position/{}/stream", self.sale.event);
        let request = self
            .to_gateway(Method::GET, gateway, &path)
            .header("accept", "text/event-stream");
        let response = timeout(ANSWER, request.send())
            .await?
            .map_err(|error| anyhow!(why(&error)))?;

        if !response.status().is_success() {
            let body: Value = response
                .json()
                .await
                .map_err(|error| anyhow!(why(&error)))?;
            let code = body["code"].as_str().unwrap_or("NO_CODE");
            self.sight.refused(code);
            return Ok(Turn::Again(code.to_owned()));
        }

        self.follow_events(response, gateway).await
    }

    async fn follow_events(&mut self, response: Response, gateway: &str) -> Result<Turn> {
        let mut body = response.bytes_stream();
        let mut read = Vec::new();

        loop {
            let Ok(bytes) = timeout(SILENCE, body.next()).await else {
                return Ok(Turn::Again("silent".to_owned()));
            };
            let Some(bytes) = bytes else {
                return Ok(Turn::Again("ended".to_owned()));
            };
            read.extend_from_slice(&bytes.map_err(|error| anyhow!(why(&error)))?);
            while let Some(end) = read.windows(2).position(|end| end == b"\n\n") {
                let block: Vec<u8> = read.drain(..end + 2).collect();
                let Some((name, data)) = event(&String::from_utf8_lossy(&block)) else {
                    continue;
                };
                match name.as_str() {
                    "position" => {
                        if let Heard::Pass(pass) = self.sight.place(&data, gateway, Way::Stream) {
                            drop(body);
                            return self.buy_and_forget(pass).await;
                        }
                    }
                    "error" => {
                        let code = data["code"].as_str().unwrap_or("NO_CODE");
                        self.sight.refused(code);
                        return Ok(Turn::Again(code.to_owned()));
                    }
                    _ => {}
                }
            }
        }
    }

    async fn buy_and_forget(&mut self, pass: super::Pass) -> Result<Turn> {
        // At the till, the user does not follow the line.
        self.sight.detached("buys");
        let turn = self.buy(pass.clone()).await?;
        self.sight.pass_is_gone(&pass);
        Ok(turn)
    }
}

fn event(block: &str) -> Option<(String, Value)> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
    };
    let data = serde_json::from_str(&field("data:")?).ok()?;

    Some((
        field("event:").unwrap_or_else(|| "message".to_owned()),
        data,
    ))
}
