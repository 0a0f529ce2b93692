//! The problems of this role's routes as responses of the OpenAPI document.

waitingroom_server::problem_responses! {
    pub(crate) fn register;
    GuestTooOld: [GuestTooOld];
    QueueClosed: [QueueClosed];
    NotJoinable: [QueueFull, Unavailable];
    NotSubscribable: [NotInQueue, EventNotFound, NotFound];
}
