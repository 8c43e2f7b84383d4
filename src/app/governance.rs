//! What calls are governed by, put together from the settings and from what a store remembers.

use std::path::Path;

use anyhow::Context as _;

use crate::api::Books;
use crate::app::StartError;
use crate::audit::{Audit, DEFAULT_MAX_RECORDS};
use crate::call::{Governance, OnStoreError};
use crate::clock::Clock;
use crate::config::{Settings, StorePlace};
use crate::once::{Bounds, Once};
use crate::policy::{Desk, Silence};
use crate::store::fleet::{Fleet, FleetGauges, FleetOptions};
use crate::store::{Place, Store};
use crate::telemetry::Metrics;

/// Opens the store and recovers from it what is remembered, of calls and by the API. The store itself is
/// for whoever ends the process. With a shared store, it begins to connect.
///
/// # Errors
/// When the store is another process's, damaged, or cannot be read.
pub(super) fn governance(
    settings: &Settings,
    clock: Clock,
    metrics: &Metrics,
) -> Result<(Governance, Books, Store), StartError> {
    let place = match &settings.fleet.address {
        Some(_) => &settings.fleet.own,
        None => &settings.store,
    };
    let (store, recovered) = Store::open(place_of(place, settings), settings.store_max_bytes)
        .map_err(|error| {
            StartError::Config(vec![format!("store: {:#}", anyhow::Error::new(error))])
        })?;
    let (once, desk) = match fleet(settings, metrics)? {
        Some(fleet) => {
            let silence = match settings.on_store_error {
                OnStoreError::Refuse => Silence::Refuses,
                OnStoreError::Proceed => Silence::Proceeds,
            };
            let desk = Desk::shared(store.clone(), &recovered, fleet.clone(), silence);
            (Once::shared(fleet, clock), desk)
        }
        None => (
            Once::new(store.clone(), &recovered, clock, Bounds::default()),
            Desk::new(store.clone(), &recovered),
        ),
    };
    let books = Books::new(store.clone(), &recovered, clock);
    let governance = Governance {
        once,
        desk,
        audit: Audit::new(store.clone(), &recovered, DEFAULT_MAX_RECORDS),
        on_store_error: settings.on_store_error,
        max_result_bytes: settings.limits.max_result_bytes,
        namespace: settings.governed.namespace.clone(),
    };
    Ok((governance, books, store))
}

fn place_of(place: &StorePlace, settings: &Settings) -> Place {
    match place {
        StorePlace::Memory => Place::Memory,
        StorePlace::File(path) => {
            let folder = settings.registry.path.parent().unwrap_or(Path::new(""));
            Place::File(folder.join(path))
        }
    }
}

/// The store that sidecars share, if they do.
fn fleet(settings: &Settings, metrics: &Metrics) -> Result<Option<Fleet>, StartError> {
    let Some(address) = settings.fleet.address.clone() else {
        return Ok(None);
    };
    let (up, failures) = metrics.shared_store();
    let fleet = Fleet::open(FleetOptions {
        address,
        prefix: settings.fleet.prefix.to_string(),
        patience: settings.fleet.timeout,
        gauges: FleetGauges { up, failures },
    })
    .context("starting the thread of the shared store")?;
    Ok(Some(fleet))
}
