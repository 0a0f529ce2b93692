//! An event on sale, created through the operators' API.

use serde_json::{Value, json};

use crate::{rest::Rest, rest_response::RestResponse};

/// An event to be created: one show, zones of these capacities.
#[derive(Debug, Clone)]
pub struct EventBuilder {
    capacities: Vec<u32>,
    queue: Value,
    hold_seconds: u32,
}

impl EventBuilder {
    /// Zones of these capacities; passes are released as fast as can be.
    pub fn new(capacities: &[u32]) -> Self {
        let queue = json!({"rate_per_second": 100_000, "burst": 100_000, "max_active": 1_000_000});
        Self {
            capacities: capacities.to_vec(),
            queue,
            hold_seconds: 600,
        }
    }

    /// Sets these queue settings.
    #[must_use]
    pub fn queue(mut self, settings: Value) -> Self {
        for (name, value) in settings.as_object().expect("settings are an object") {
            self.queue[name] = value.clone();
        }
        self
    }

    /// The queue exists, and releases nobody.
    #[must_use]
    pub fn paused(self) -> Self {
        self.queue(json!({"state": "paused"}))
    }

    /// Sets how long seats are held.
    #[must_use]
    pub fn hold_seconds(mut self, seconds: u32) -> Self {
        self.hold_seconds = seconds;
        self
    }

    /// Creates it.
    pub async fn create(self, operator: &Rest) -> Sale {
        let zone = |(at, capacity): (usize, &u32)| json!({"name": format!("Zone {at}"), "capacity": capacity, "unit_price": 2500});
        let zones: Vec<Value> = self.capacities.iter().enumerate().map(zone).collect();
        let body = json!({
            "name": "An evening", "hold_seconds": self.hold_seconds, "queue": self.queue,
            "shows": [{"name": "Friday", "zones": zones}],
        });
        let created = operator.post("/admin/events", &body).await.expect(201);
        let text = |value: &Value| value.as_str().expect("an id is a text").to_owned();
        let show = &created["shows"][0];

        Sale {
            event: text(&created["event_id"]),
            show: text(&show["show_id"]),
            zones: show["zones"]
                .as_array()
                .expect("zones")
                .iter()
                .map(|zone| text(&zone["zone_id"]))
                .collect(),
            capacities: self.capacities,
        }
    }
}

/// An event on sale.
#[derive(Debug, Clone)]
pub struct Sale {
    /// Its id.
    pub event: String,
    /// Its show's id.
    pub show: String,
    /// Its zones' ids.
    pub zones: Vec<String>,
    /// Its zones' capacities.
    pub capacities: Vec<u32>,
}

impl Sale {
    /// Changes the settings of its queue.
    pub async fn set_queue(&self, operator: &Rest, settings: Value) -> RestResponse {
        operator
            .put(&format!("/admin/events/{}/queue", self.event), &settings)
            .await
    }

    /// Begins or resumes the release.
    pub async fn open(&self, operator: &Rest) {
        self.set_queue(operator, json!({"state": "open"}))
            .await
            .expect(200);
    }

    /// The body of a reservation.
    pub fn wish(&self, zone: usize, quantity: u32) -> Value {
        json!({"event_id": self.event, "show_id": self.show, "zone_id": self.zones[zone], "quantity": quantity})
    }

    /// The state of its queue.
    pub async fn status(&self, gateway: &Rest) -> Value {
        gateway
            .get(&format!("/queue/status/{}", self.event))
            .await
            .expect(200)
    }

    /// The user's place, or why there is none.
    pub async fn place(&self, gateway: &Rest) -> RestResponse {
        gateway
            .get(&format!("/queue/position/{}", self.event))
            .await
    }

    /// Joins by REST.
    pub async fn join(&self, gateway: &Rest) -> RestResponse {
        gateway
            .post("/queue/join", &json!({"event_id": self.event}))
            .await
    }
}
