use std::sync::Arc;
use std::time::Duration;

use ratelog_client::nodes::Deployment;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;

use crate::auth::{Authenticator, StartError};
use crate::demo::Demo;
use crate::operations::audit::Audit;
use crate::operations::operator_deployment::OperatorDeployment;
use crate::poll::Poller;
use crate::settings::Settings;

/// The time for which an action waits for a server. It ends before that of a poll, so that a connection on which nothing
/// arrives is given up, and not only the poll.
const TIMEOUT: Duration = Duration::from_millis(800);

/// The costly reads, such as searches, that run at once. More of them wait.
const MAX_READS: usize = 4;

/// The state that all requests share. Cheap to clone.
pub type App = Arc<AppState>;

/// The state that all requests share.
pub struct AppState {
    /// The settings.
    pub settings: Settings,
    /// The servers, with the rights to read.
    pub viewer: Arc<Deployment>,
    operator: Arc<OperatorDeployment>,
    /// The polls of the nodes.
    pub poller: Arc<Poller>,
    /// Identifies the users of requests.
    pub authenticator: Authenticator,
    /// The record of changes.
    pub audit: Audit,
    /// The changes that are being made.
    pub changes: TaskTracker,
    /// Demo traffic, if there should be some.
    pub demo: Option<Demo>,
    /// The costly reads that may run at once.
    reads: Semaphore,
}

impl AppState {
    /// The state of a dashboard with these settings. It connects to nothing.
    ///
    /// # Errors
    /// [`StartError`] for settings that are wrong.
    pub fn new(settings: Settings) -> Result<App, StartError> {
        let viewer = deployment("--url", &settings.url)?;
        let operator = match &settings.operator_url {
            None => Arc::clone(&viewer),
            Some(url) => deployment("--operator-url", url)?,
        };
        let (shown, changed) = (viewer.database(), operator.database());
        if shown != changed {
            return Err(StartError(format!(
                "--operator-url names database {changed} and --url database {shown}: the pages show the keys that they \
                 change, so name the same one"
            )));
        }
        let operator = Arc::new(OperatorDeployment::new(operator, Arc::clone(&viewer)));
        Ok(Arc::new(Self {
            poller: Arc::new(Poller::new(
                Arc::clone(&viewer),
                Duration::from_millis(settings.poll_interval),
            )),
            authenticator: Authenticator::new(&settings)?,
            audit: Audit::new(Arc::clone(&operator)),
            demo: settings
                .demo
                .then(|| Demo::new(settings.operator_url.as_deref().unwrap_or(&settings.url))),
            changes: TaskTracker::new(),
            reads: Semaphore::new(MAX_READS),
            viewer,
            operator,
            settings,
        }))
    }

    /// The servers, with the rights to make changes.
    pub async fn operator(&self) -> &Deployment {
        self.operator.current().await
    }

    /// Waits until a costly read may begin, which ends when the permit is dropped. All share the connections of the polls.
    pub async fn begin_read(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.reads.acquire().await.ok()
    }

    /// The path of a page, behind the base path.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_path)
    }
}

fn deployment(option: &str, url: &str) -> Result<Arc<Deployment>, StartError> {
    Deployment::new(url)
        .map(|deployment| Arc::new(deployment.with_timeout(TIMEOUT)))
        .map_err(|error| StartError(format!("{option}: {error}")))
}
