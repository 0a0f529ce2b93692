//! Entries of the audit log: appended with the change itself, or before an effect that no
//! transaction covers, and never changed or removed. They hold no tokens or other secrets.

use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, UserId},
};

use crate::model::event::Event;

/// Max length of a text that is logged as it is; of a longer one, length and digest are.
const MAX_TEXT: usize = 600;

/// The operator, and the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditContext {
    /// The `sub` of the operator's token.
    pub operator: UserId,
    /// The moment.
    pub at: Timestamp,
}

/// What an operator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// An event was added.
    CreateEvent,
    /// The settings of a line were changed.
    ChangeQueue,
    /// The appearance of an event was changed.
    ChangeAppearance,
    /// A user's place is about to be removed from a line.
    RemovePlace,
    /// The engine's seats are about to be rebuilt from the database.
    SyncInventory,
    /// They were.
    InventorySynced,
}

impl AuditAction {
    /// The action's name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateEvent => "create_event",
            Self::ChangeQueue => "change_queue",
            Self::ChangeAppearance => "change_appearance",
            Self::RemovePlace => "remove_place",
            Self::SyncInventory => "sync_inventory",
            Self::InventorySynced => "inventory_synced",
        }
    }
}

/// An entry of the audit log, to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// By whom, and when.
    pub context: AuditContext,
    /// On which event; nothing for all of them.
    pub event_id: Option<EventId>,
    /// What.
    pub action: AuditAction,
    /// What it touched, as that was before.
    pub before: Option<Value>,
    /// And after.
    pub after: Option<Value>,
}

/// An entry of the audit log. It may be stored by a later release, whose actions this one does not
/// know.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditRecord {
    /// Increases with time.
    pub audit_id: i64,
    /// The time of the action.
    pub at: Timestamp,
    /// The `sub` of the operator's token, or `stanchion:seed`.
    pub operator: String,
    /// The event; `null` for all events.
    #[schema(required)]
    pub event_id: Option<EventId>,
    /// `create_event`, `change_queue`, `change_appearance`, `remove_place`, `sync_inventory` (about
    /// to be done), `inventory_synced` (done). Later versions may add actions.
    pub action: String,
    /// The fields that the action changed, before it.
    #[schema(required, value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The same fields after it.
    #[schema(required, value_type = Option<Object>)]
    pub after: Option<Value>,
}

impl AuditEntry {
    /// An event was added.
    pub(crate) fn created(context: &AuditContext, event: &Event) -> Self {
        let zones = event.zones().count();
        let seats: u64 = event
            .zones()
            .map(|(_, zone)| u64::from(zone.capacity))
            .sum();
        let after = json!({"name": event.name, "currency": event.currency.as_str(), "shows": event.shows.len(),
            "zones": zones, "seats": seats, "max_seats_per_user": event.max_seats_per_user,
            "hold_seconds": event.hold_seconds, "queue": event.queue, "appearance": short(plain(&event.appearance))});

        Self {
            context: context.clone(),
            event_id: Some(event.event_id),
            action: AuditAction::CreateEvent,
            before: None,
            after: Some(after),
        }
    }

    /// Of what a patch names, what was and what is.
    pub(crate) fn changed<P: Serialize, T: Serialize>(
        context: &AuditContext,
        event: EventId,
        action: AuditAction,
        patch: &P,
        [before, after]: [&T; 2],
    ) -> Self {
        let named = fields(plain(patch))
            .into_iter()
            .filter(|(_, value)| !value.is_null());
        let names: Vec<String> = named.map(|(name, _)| name).collect();
        let of = |values: &T| {
            let mut values = fields(plain(values));
            let chosen = names
                .iter()
                .map(|name| (name.clone(), values.remove(name).unwrap_or(Value::Null)));
            Some(short(Value::Object(chosen.collect())))
        };

        Self {
            context: context.clone(),
            event_id: Some(event),
            action,
            before: of(before),
            after: of(after),
        }
    }
}

fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("what is written down has only text keys")
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Images are distinguished by their digest.
fn short(value: Value) -> Value {
    let fields = fields(value).into_iter().map(|(name, value)| match value {
        Value::String(text) if text.len() > MAX_TEXT => (name, Value::String(digest(&text))),
        value => (name, value),
    });
    Value::Object(fields.collect())
}

fn digest(text: &str) -> String {
    let kind = text
        .split_once(',')
        .map_or("", |(kind, _)| kind)
        .chars()
        .take(40)
        .collect::<String>();

    let digest = Sha256::digest(text)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("{kind} ({} bytes, sha256 {digest}…)", text.len())
}
