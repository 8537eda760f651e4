use std::sync::Arc;

use ratelog_client::nodes::{Deployment, Node};

/// The servers, with the rights to make changes. Only the nodes of `viewer` are looked for while nothing changes, so this
/// follows a failover that the polls have found.
pub struct OperatorDeployment {
    operator: Arc<Deployment>,
    viewer: Arc<Deployment>,
}

impl OperatorDeployment {
    /// The servers of `operator`, with the nodes that the polls of `viewer` find.
    #[must_use]
    pub fn new(operator: Arc<Deployment>, viewer: Arc<Deployment>) -> Self {
        Self { operator, viewer }
    }

    /// The servers, with the present nodes.
    pub async fn current(&self) -> &Deployment {
        let (known, polled) = (self.operator.nodes(), self.viewer.nodes());
        let same = |(a, b): (&Node, &Node)| a.address() == b.address() && a.role() == b.role();
        if known.len() != polled.len() || !known.iter().zip(polled.iter()).all(same) {
            // An error is that of the command as well.
            let _ = self.operator.discover().await;
        }
        &self.operator
    }
}
