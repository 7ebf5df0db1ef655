//! The server: a sandbox on a port of this machine. Its connections bring requests to the service.

mod connection;
mod connection_limit;
mod limits;
mod listener;
mod namespace_clock;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::http::RefuseConnections;
use crate::service::{Service, Setup};
use crate::tls::{Certificate, Tls};
pub use limits::Limits;
pub use namespace_clock::NamespaceClock;

/// The settings of a sandbox.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port on 127.0.0.1. 0 is any free port.
    pub port: u16,
    /// How many times as fast as real time its clocks run at first: 0.001 to 100,000.
    pub speed: f64,
    /// What its job ids are made from. `None`: they are random.
    pub seed: Option<u64>,
    /// Whether the journal goes to standard error, a line of JSON for each request.
    pub log: bool,
    /// What connections may take.
    pub limits: Limits,
    /// Whether it speaks TLS, and its certificate, which can be changed while it runs.
    pub tls: Option<Certificate>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { port: 0, speed: 1.0, seed: None, log: false, limits: Limits::default(), tls: None }
    }
}

/// A sandbox that has its port. It answers from [`Sandbox::serve`] on.
pub struct Sandbox {
    listener: TcpListener,
    service: Arc<Service>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    control: mpsc::Receiver<RefuseConnections>,
}

impl Sandbox {
    /// Takes the port. Connections wait until [`Sandbox::serve`].
    ///
    /// # Errors
    /// When the port is taken, the system gives no random bytes, or a setting is out of its bounds.
    pub async fn bind(settings: &Settings) -> io::Result<Sandbox> {
        clock::check(settings.speed)?;
        let listener = listener::bind((Ipv4Addr::LOCALHOST, settings.port).into())?;
        let address = listener.local_addr()?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let seed = match settings.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(io::Error::other)?,
        };
        let tls = settings.tls.map(Tls::new).transpose()?.map(Arc::new);
        let (sender, control) = mpsc::channel(4);
        let service = Service::new(Setup {
            authority: address.to_string(),
            speed: settings.speed,
            seed,
            secret,
            log: settings.log,
            tls: tls.clone(),
            control: sender,
        });
        Ok(Sandbox { listener, service: Arc::new(service), limits: settings.limits, tls, control })
    }

    /// Its URL: `http://127.0.0.1:port`, or `https`.
    pub fn base_url(&self) -> String {
        self.service.base_url().to_owned()
    }

    /// The file with the certificate of its authority (PEM), if it speaks TLS. It is removed with the
    /// sandbox.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(|tls| tls.ca_file())
    }

    /// An API key that it accepts, like every key that looks like `sk-...`.
    pub fn api_key(&self) -> &'static str {
        "sk-sandbox-default"
    }

    /// Answers requests. This never ends.
    pub async fn serve(self) {
        listener::serve(self.listener, self.service, self.limits, self.tls, self.control).await;
    }

    /// Runs a sandbox on its own thread, for a test.
    ///
    /// # Errors
    /// As [`Sandbox::bind`].
    pub fn start(settings: Settings) -> io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sandbox = runtime.block_on(Sandbox::bind(&settings))?;
        let base_url = sandbox.base_url();
        let ca_file = sandbox.ca_file();
        let service = Arc::clone(&sandbox.service);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("perceptis-sandbox".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = sandbox.serve() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Running { base_url, ca_file, service, stop: Some(stop), thread: Some(thread) })
    }
}

/// A sandbox on its own thread. It ends when this is dropped.
pub struct Running {
    base_url: String,
    ca_file: Option<PathBuf>,
    service: Arc<Service>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Its URL: `http://127.0.0.1:port`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The file with the certificate of its authority (PEM), if it speaks TLS. It is removed with the
    /// sandbox.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// The clock of a namespace, as `/_sandbox/clock` has it. Keys that name no namespace are in `default`.
    /// Any thread may use it.
    ///
    /// # Errors
    /// When the namespace's name is not 1 to 64 letters, digits, `-`, `_` and `.`.
    pub fn clock<'a>(&'a self, namespace: &'a str) -> io::Result<NamespaceClock<'a>> {
        NamespaceClock::new(&self.service, namespace)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
