//! The context of every request: the world behind its lock, and the settings of the sandbox, which do not
//! change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::downloads;
use super::world::World;
use crate::clock::Clock;
use crate::hash::Signer;
use crate::tls::Tls;

/// What handlers of requests need.
pub struct Context {
    /// The URL of the sandbox.
    pub base_url: String,
    /// `host:port` of that URL.
    pub authority: String,
    /// What job ids are made from.
    pub seed: u64,
    /// What signs the URLs of downloads.
    pub signer: Signer,
    /// The TLS of the sandbox, if it speaks TLS.
    pub tls: Option<Arc<Tls>>,
    world: Mutex<World>,
}

impl Context {
    /// A context with an empty world. `authority` is `127.0.0.1:port`.
    pub fn new(
        authority: String,
        speed: f64,
        seed: u64,
        secret: &[u8; 32],
        tls: Option<Arc<Tls>>,
    ) -> Context {
        Context {
            base_url: format!("{}://{authority}", if tls.is_some() { "https" } else { "http" }),
            authority,
            seed,
            signer: Signer::new(secret),
            tls,
            world: Mutex::new(World::new(speed)),
        }
    }

    /// Locks the world.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh URL of a file.
    pub fn file_url(&self, clock: &Clock, job_id: &str, variant: u32) -> String {
        downloads::url(&self.base_url, &self.signer, clock, job_id, variant)
    }
}
