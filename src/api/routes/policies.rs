//! What there is to ask for about policies.

use crate::api::fields::policies::{FROM_TEMPLATE, POLICY};
use crate::api::routes::{Action, Endpoint, Verb, plain};

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policing {
    /// List policies.
    List,
    /// Show an agent's policy.
    Show,
    /// Give an agent a policy.
    Put,
    /// Give an agent a policy that begins with a template.
    FromTemplate,
}

/// All of it.
// spec: POLICY-8
pub static POLICIES: [Endpoint; 4] = [
    Endpoint {
        about: "Lists all policies by agent.",
        ..plain(Verb::Get, "/v1/policies", Action::Policy(Policing::List))
    },
    Endpoint {
        about: "Shows an agent's policy.",
        ..plain(
            Verb::Get,
            "/v1/policies/{agent_id}",
            Action::Policy(Policing::Show),
        )
    },
    Endpoint {
        about: "Gives an agent a policy, in the place of the one that it has.",
        body: Some(("PolicyWrite", POLICY)),
        ..plain(
            Verb::Post,
            "/v1/policies/{agent_id}",
            Action::Policy(Policing::Put),
        )
    },
    Endpoint {
        about: "Gives an agent a policy that begins with a template.",
        body: Some(("PolicyFromTemplate", FROM_TEMPLATE)),
        ..plain(
            Verb::Post,
            "/v1/policies/{agent_id}/from-template",
            Action::Policy(Policing::FromTemplate),
        )
    },
];
