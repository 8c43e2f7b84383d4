//! A resolver that says what a test wants, and streams that lead to a [`FakeTool`] whatever address
//! was dialled. Every look-up and every dial is remembered.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::io::DuplexStream;

use crate::test_support::FakeTool;
use crate::upstream::Network;

/// A network in memory. Clones share answers and memory.
#[derive(Clone, Debug)]
pub struct FakeNetwork {
    tool: FakeTool,
    state: Rc<RefCell<State>>,
}

#[derive(Debug)]
struct State {
    /// What the resolver answers next; the last answer is repeated for ever.
    answers: VecDeque<Vec<IpAddr>>,
    looked_up: Vec<String>,
    dialled: Vec<SocketAddr>,
}

impl FakeNetwork {
    /// Every address leads to `tool`; the resolver gives these answers, whatever the name.
    ///
    /// # Panics
    /// When there is no answer, or one is not made of addresses.
    pub fn resolving(tool: &FakeTool, answers: &[&[&str]]) -> Self {
        assert!(!answers.is_empty(), "a resolver says something");
        let address = |text: &&str| text.parse().expect("an address");
        let answers = answers
            .iter()
            .map(|answer| answer.iter().map(address).collect());
        Self {
            tool: tool.clone(),
            state: Rc::new(RefCell::new(State {
                answers: answers.collect(),
                looked_up: Vec::new(),
                dialled: Vec::new(),
            })),
        }
    }

    /// The names that were looked up, in order.
    pub fn looked_up(&self) -> Vec<String> {
        self.state.borrow().looked_up.clone()
    }

    /// The addresses that were dialled, in order.
    pub fn dialled(&self) -> Vec<SocketAddr> {
        self.state.borrow().dialled.clone()
    }
}

impl Network for FakeNetwork {
    type Stream = DuplexStream;

    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut state = self.state.borrow_mut();
        state.looked_up.push(name.to_owned());
        let answer = match state.answers.len() {
            1 => state.answers[0].clone(),
            _ => state
                .answers
                .pop_front()
                .expect("there are at least two answers"),
        };
        let with_port = |address| SocketAddr::new(address, port);
        Ok(answer.into_iter().map(with_port).collect())
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<DuplexStream> {
        self.state.borrow_mut().dialled.push(address);
        self.tool.accept()
    }
}
