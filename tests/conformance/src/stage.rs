//! What scenarios need beside SDKs: gateways, and networks that fail.

use std::collections::BTreeMap;

use outpour_faults::{Direction, Ending, Flow, Gateway, Proxy};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// The gateways and proxies of one scenario. What it has started ends with it.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: TempDir,
    gateways: BTreeMap<String, (Order, Gateway)>,
    proxies: BTreeMap<String, (Proxy, String)>,
}

/// How a gateway is started.
#[derive(Clone, Debug, Deserialize)]
struct Order {
    gateway: String,
    data: Option<String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default)]
    tokens: BTreeMap<String, String>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), gateways: BTreeMap::new(), proxies: BTreeMap::new() }
    }

    /// Does a step that is not for an SDK; `None` if it is for one.
    pub(crate) async fn perform(&mut self, order: &Map<String, Value>) -> Option<Result<Value, String>> {
        let text = |name: &str| order.get(name).and_then(Value::as_str).unwrap_or_default();
        let done = match text("do") {
            "gateway" => self.start(serde_json::from_value(Value::Object(order.clone())).unwrap()).await,
            "kill" => self.kill(text("gateway")).await.map(|_| ()),
            "restart" => self.restart(text("gateway")).await,
            "drain" => self.gateway(text("gateway")).map(|gateway| gateway.process.signal(Signal::TERM)),
            "proxy" => self.start_proxy(text("proxy"), text("to")).await,
            "route" => self.route(text("proxy"), text("to")),
            "cut" => self.proxy(text("proxy")).map(|proxy| proxy.cut(ending(text("ending")))),
            "refuse" => self.proxy(text("proxy")).map(|proxy| proxy.refuse(true)),
            "accept" => self.proxy(text("proxy")).map(|proxy| proxy.refuse(false)),
            "stall" => self.proxy(text("proxy")).map(stall),
            _ => return None,
        };
        Some(done.map(|()| json!({})))
    }

    /// The address of a gateway or proxy; an address stays what it is.
    pub(crate) fn address(&self, name: &str) -> Result<String, String> {
        if name.contains(':') {
            return Ok(name.to_owned());
        }
        let of_proxy = self.proxies.get(name).map(|(proxy, _)| proxy.url());
        let of_gateway = || self.gateways.get(name).map(|(_, gateway)| gateway.url());
        of_proxy.or_else(of_gateway).ok_or_else(|| format!("nothing is called {name}"))
    }

    /// Where something with this name is kept on the disk.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    async fn start(&mut self, order: Order) -> Result<(), String> {
        let mut arguments = Vec::new();
        if let Some(data) = &order.data {
            arguments.extend(["--data".to_owned(), self.file(data)]);
        }
        let variable = |name: &str| format!("OUTPOUR_{}", name.replace('.', "_").to_uppercase());
        let mut environment: Vec<_> =
            order.settings.iter().map(|(name, value)| (variable(name), value.clone())).collect();
        // Pages in browsers may connect.
        environment.push((variable("allowed_origins"), "*".to_owned()));
        if !order.tokens.is_empty() {
            let file = self.file(&format!("{}.tokens", order.gateway));
            let entry = |(token, principal)| format!("[[token]]\ntoken = {token:?}\nprincipal = {principal:?}\n");
            let entries: Vec<_> = order.tokens.iter().map(entry).collect();
            std::fs::write(&file, entries.join("\n")).unwrap();
            environment.push((variable("auth.tokens_file"), file));
            environment.push((variable("auth.required"), "true".to_owned()));
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let gateway = Gateway::start(&arguments, &environment).await;
        // Networks that led to one of this name lead to the new one.
        for (proxy, _) in self.proxies.values().filter(|(_, to)| *to == order.gateway) {
            proxy.set_upstream(gateway.address);
        }
        self.gateways.insert(order.gateway.clone(), (order, gateway));
        Ok(())
    }

    async fn kill(&mut self, name: &str) -> Result<Order, String> {
        let (order, mut gateway) = self.gateways.remove(name).ok_or_else(|| format!("no gateway is called {name}"))?;
        gateway.process.kill().await;
        Ok(order)
    }

    async fn restart(&mut self, name: &str) -> Result<(), String> {
        let order = self.kill(name).await?;
        self.start(order).await
    }

    async fn start_proxy(&mut self, name: &str, to: &str) -> Result<(), String> {
        let address = self.gateway(to)?.address;
        self.proxies.insert(name.to_owned(), (Proxy::start(address).await, to.to_owned()));
        Ok(())
    }

    fn route(&mut self, name: &str, to: &str) -> Result<(), String> {
        let address = self.gateway(to)?.address;
        let (proxy, destination) = self.proxies.get_mut(name).ok_or_else(|| format!("no proxy is called {name}"))?;
        proxy.set_upstream(address);
        *destination = to.to_owned();
        Ok(())
    }

    fn gateway(&self, name: &str) -> Result<&Gateway, String> {
        self.gateways.get(name).map(|(_, gateway)| gateway).ok_or_else(|| format!("no gateway is called {name}"))
    }

    fn proxy(&self, name: &str) -> Result<&Proxy, String> {
        self.proxies.get(name).map(|(proxy, _)| proxy).ok_or_else(|| format!("no proxy is called {name}"))
    }
}

fn ending(name: &str) -> Ending {
    if name == "finish" { Ending::Finish } else { Ending::Reset }
}

/// Nothing passes any more on the connections that there are; those to come are spared.
fn stall(proxy: &Proxy) {
    for connection in 0..proxy.connections().len() {
        for direction in [Direction::Up, Direction::Down] {
            proxy.set_flow_of(connection, direction, Flow::Stalled);
        }
    }
}
