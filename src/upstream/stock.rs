//! One worker's stock of connections: what is there is handed out, what is missing is opened.
//!
//! Connections come back through [`Stock::keep`] and leave when they expire. A task sees to that
//! while anything is kept, and ends with it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::registry::{Origin, TransportScheme};
use crate::upstream::connect::{ConnectError, Protocol};
use crate::upstream::flight::{Flight, Landed, Landing};
use crate::upstream::h1::H1;
use crate::upstream::h2::{H2, Stream};
use crate::upstream::open::{Opened, Opener};
use crate::upstream::shelf::{Keeping, Shelf};

/// One worker's connections.
pub(super) struct Stock {
    opener: Rc<Opener>,
    shelf: RefCell<Shelf>,
    /// Closes what has expired or died; runs only while something is kept.
    sweeper: RefCell<Option<AbortHandle>>,
}

/// A connection that a request can be sent on.
pub(super) enum Wire {
    Http1(Box<H1>),
    Http2(Stream),
}

/// Where a connection goes between two requests, and whose it is.
#[derive(Clone)]
pub(super) struct Home {
    stock: Weak<Stock>,
    pub(super) origin: Arc<Origin>,
}

impl Home {
    /// Takes a connection that can carry another request. Without a pool it is closed.
    pub(super) fn keep(connection: Box<H1>) {
        if let Some(stock) = connection.home.stock.upgrade() {
            stock.keep(connection);
        }
    }
}

impl Stock {
    pub(super) fn new(opener: Opener, keeping: Keeping) -> Self {
        Self {
            opener: Rc::new(opener),
            shelf: RefCell::new(Shelf::new(keeping)),
            sweeper: RefCell::new(None),
        }
    }

    /// A connection that is there already.
    pub(super) fn pooled(&self, origin: &Arc<Origin>) -> Option<Wire> {
        let now = Instant::now();
        let mut shelf = self.shelf.borrow_mut();
        if let Some(mut connection) = shelf.take_idle(origin, now) {
            connection.held.set_active(true);
            return Some(Wire::Http1(connection));
        }
        let shared = shelf.shared(origin, now)?;
        Some(Wire::Http2(Stream::new(shared)))
    }

    /// A connection that is opened now, or was by a caller who needed the same one.
    ///
    /// Dropping the future abandons the connection unless others wait for it too.
    pub(super) async fn fresh(
        self: &Rc<Self>,
        origin: &Arc<Origin>,
    ) -> Result<Wire, Arc<ConnectError>> {
        if let Some(flight) = self.flight(origin) {
            match flight.landed().await? {
                Landing::Http2(shared) => return Ok(Wire::Http2(Stream::new(shared))),
                Landing::Http1 => {
                    if let Some(wire) = self.pooled(origin) {
                        return Ok(wire);
                    }
                }
            }
        }
        match self
            .opener
            .open(self.home(origin))
            .await
            .map_err(Arc::new)?
        {
            Opened::Http1(connection) => Ok(Wire::Http1(connection)),
            // It spoke HTTP/1.1 before.
            Opened::Http2(shared) => {
                self.share(origin, &shared);
                Ok(Wire::Http2(Stream::new(shared)))
            }
        }
    }

    /// The attempt to wait for, where one connection may serve all who need one now.
    fn flight(self: &Rc<Self>, origin: &Arc<Origin>) -> Option<Flight> {
        if origin.scheme() == TransportScheme::Http {
            return None;
        }
        let mut shelf = self.shelf.borrow_mut();
        let slot = shelf.slot(origin);
        if slot.flight.is_none() && slot.protocol == Some(Protocol::Http1) {
            return None;
        }
        let flight = slot.flight.get_or_insert_with(|| {
            let opener = Rc::clone(&self.opener);
            Flight::start(fly(self.home(origin), opener))
        });
        Some(flight.clone())
    }

    fn home(self: &Rc<Self>, origin: &Arc<Origin>) -> Home {
        Home {
            stock: Rc::downgrade(self),
            origin: Arc::clone(origin),
        }
    }

    /// Keeps a connection that can carry another request.
    fn keep(self: &Rc<Self>, mut connection: Box<H1>) {
        connection.held.set_active(false);
        let mut shelf = self.shelf.borrow_mut();
        shelf.put_idle(connection, Instant::now());
        drop(shelf);
        self.tend();
    }

    fn share(self: &Rc<Self>, origin: &Arc<Origin>, connection: &Rc<H2>) {
        let mut shelf = self.shelf.borrow_mut();
        shelf.put_shared(origin, Rc::clone(connection));
        drop(shelf);
        self.tend();
    }

    /// Sees to it that what is idle now will be closed in time.
    fn tend(self: &Rc<Self>) {
        let mut sweeper = self.sweeper.borrow_mut();
        if sweeper.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::task::spawn_local(sweep(Rc::downgrade(self)));
            *sweeper = Some(task.abort_handle());
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        if let Some(sweeper) = self.sweeper.get_mut() {
            sweeper.abort();
        }
    }
}

/// The attempt to connect that callers share. It keeps the pool no longer than the callers do.
async fn fly(home: Home, opener: Rc<Opener>) -> Landed {
    let opened = opener.open(home.clone()).await;
    let stock = home
        .stock
        .upgrade()
        .ok_or_else(|| Arc::new(ConnectError::Abandoned))?;
    let landed = match opened {
        Ok(Opened::Http1(connection)) => {
            stock.keep(connection);
            Ok(Landing::Http1)
        }
        Ok(Opened::Http2(shared)) => {
            stock.share(&home.origin, &shared);
            Ok(Landing::Http2(shared))
        }
        Err(error) => Err(Arc::new(error)),
    };
    stock.shelf.borrow_mut().landed(&home.origin);
    landed
}

/// Closes connections that have expired or died, until none is left or the pool is gone.
async fn sweep(home: Weak<Stock>) {
    loop {
        let Some(stock) = home.upgrade() else { return };
        let next = stock.shelf.borrow_mut().close_expired(Instant::now());
        drop(stock);
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}
