//! The WebSocket protocol `stanchion.v1`.
