//! A user who wants seats.

use crate::tokens;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Their `sub`.
    pub name: String,
    /// Their token.
    pub token: String,
}

impl Visitor {
    /// A visitor of this name.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let token = tokens::user(&name);
        Self { name, token }
    }

    /// This many, named `prefix-0`, `prefix-1`, ….
    pub fn many(prefix: &str, count: usize) -> Vec<Self> {
        (0..count)
            .map(|at| Self::new(format!("{prefix}-{at}")))
            .collect()
    }
}
