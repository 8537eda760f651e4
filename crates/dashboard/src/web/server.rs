use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{connections, router};
use crate::app::{App, AppState};
use crate::auth::StartError;
use crate::settings::Settings;

/// The time for which requests are waited for when the dashboard stops.
const MAX_STOP: Duration = Duration::from_secs(2);
/// The time for which changes are waited for then: one on many nodes that hang takes about a second for each.
const MAX_CHANGE: Duration = Duration::from_secs(20);

/// A dashboard that answers requests.
pub struct Running {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The address of the listener for metrics, if there is one.
    pub metrics_address: Option<SocketAddr>,
    app: App,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Starts a dashboard: the polls of the servers, and the listeners.
///
/// # Errors
/// [`StartError`] for settings that are wrong, and an address that cannot be listened on.
pub async fn serve(mut settings: Settings) -> Result<Running, StartError> {
    let listener = listen("--listen", settings.listen).await?;
    let address = local_address(&listener)?;
    settings.listen = address;
    let metrics = match settings.metrics_listen {
        None => None,
        Some(address) => Some(listen("--metrics-listen", address).await?),
    };
    let metrics_address = metrics.as_ref().map(local_address).transpose()?;
    let app = AppState::new(settings)?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(connections::serve(listener, router::dashboard(&app), stopped.clone()));
    if let Some(metrics) = metrics {
        tasks.spawn(connections::serve(metrics, router::metrics(&app), stopped.clone()));
    }
    let poller = app.poller.clone();
    tasks.spawn(until(stopped.clone(), async move { poller.run().await }));
    let demo = app.clone();
    tasks.spawn(until(stopped, async move {
        if let Some(traffic) = &demo.demo {
            traffic.run(demo.operator().await).await;
        }
    }));
    tracing::info!(%address, "listening");
    app.authenticator.print_link();
    Ok(Running { address, metrics_address, app, stop, tasks })
}

impl Running {
    /// Stops listening and polling. Requests that are being answered end first, except live pages; changes end and are
    /// recorded even if their clients have gone.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // A live page does not end by itself.
        let _ = timeout(MAX_STOP, ended).await;
        self.app.changes.close();
        if timeout(MAX_CHANGE, self.app.changes.wait()).await.is_err() {
            tracing::error!("a change has not ended: it may be made and not recorded");
        }
        self.tasks.abort_all();
    }
}

/// Runs a task until the dashboard is stopped.
async fn until(mut stopped: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn listen(option: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| StartError(format!("{option} {address}: {error}")))
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError(error.to_string()))
}
