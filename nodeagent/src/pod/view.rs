//! What others (logs, exec) may know of a pod's containers, as of now.

use super::state::{ContainerState, Ended, PodState, Role, Run, Sandbox, containers};
use crate::runtime::SandboxInfo;

/// A pod's containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Pod's name.
    pub pod: String,
    /// Init containers, then app containers.
    pub containers: Vec<ContainerView>,
    /// Its network, while it has one.
    pub sandbox: Option<SandboxInfo>,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// Name in the pod.
    pub name: String,
    /// An app container, not an init container.
    pub app: bool,
    /// Id of the container that runs or ran last.
    pub id: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Id of the one before, if it is still there.
    pub previous_id: Option<String>,
    /// Why it waits.
    pub waiting: String,
    /// On a terminal.
    pub tty: bool,
}

/// Why a container cannot be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The pod has no such container.
    #[error("container {container} is not valid for pod {pod}")]
    NotValid {
        /// Container.
        container: String,
        /// Pod.
        pod: String,
    },
}

impl View {
    /// Of a pod's state.
    pub fn of(state: &PodState) -> Self {
        let specs = containers(&state.pod);
        let rows = state.containers.iter().zip(specs);
        let containers = rows.map(|(c, (spec, _))| view(c, spec.tty == Some(true))).collect();
        let sandbox = match &state.sandbox {
            Sandbox::Ready { id, ip } => Some(SandboxInfo { id: id.clone(), ip: ip.clone() }),
            _ => None,
        };
        Self { pod: state.name().to_owned(), containers, sandbox }
    }

    /// The container of that name, or the first app container if the name is empty.
    pub fn container(&self, name: &str) -> Result<&ContainerView, ViewError> {
        let found = self.containers.iter().find(|c| if name.is_empty() { c.app } else { c.name == name });
        found.ok_or_else(|| ViewError::NotValid { container: name.to_owned(), pod: self.pod.clone() })
    }
}

fn view(c: &ContainerState, tty: bool) -> ContainerView {
    let last = |last: Option<&Ended>| last.map(|l| l.id.clone()).filter(|id| !id.is_empty());
    let previous_id = match &c.run {
        // A container that waits to be started again shows its end as the last one.
        Run::Ended(ended) if c.waiting.is_some() => last(Some(ended)),
        Run::Running(_) | Run::Ended(_) => last(c.last.as_ref()),
        Run::Idle | Run::Starting => None,
    };
    ContainerView {
        name: c.name.clone(),
        app: c.role == Role::App,
        id: c.id().map(str::to_owned),
        running: matches!(c.run, Run::Running(_)),
        previous_id,
        waiting: c.waiting.as_ref().map_or_else(|| "ContainerCreating".to_owned(), |w| w.reason.clone()),
        tty,
    }
}
