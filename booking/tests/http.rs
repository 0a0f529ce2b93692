//! The routes, as a client meets them: SQLite in memory, the engine in memory, no sockets.

mod http {
    mod admin;
    mod catalogue;
    mod decisions;
    mod recovery;
    mod reserving;
    mod shop;
}
