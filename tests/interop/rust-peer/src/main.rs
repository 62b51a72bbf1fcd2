// SPDX-License-Identifier: MIT
//! A node of the published Rust Reflow that a test steers: commands come as JSON lines on stdin, what happens goes out as
//! JSON lines on stdout. It uses the crate's NetworkBridge itself, since only that can ask a peer for its actors.
//!
//!     rust-peer NETWORK_ID PORT HEARTBEAT_MS [DISCOVERY_URL]
//!
//! Commands: {"do":"connect","endpoint":"host:port"}
//!           {"do":"send","network":N,"actor":A,"port":P,"message":{"type":..,"data":..}}
//!           {"do":"actors","network":N}      what actors has a peer?
//!           {"do":"networks"}                who is registered with discovery?
//! Events:   {"event":"ready"}, {"event":"message","port":P,"message":M} for what actor `recorder` gets,
//!           {"event":"done","do":D,"ok":bool,"value":V} for each command, in order.
//! It ends when stdin does.
use anyhow::{Context, Result};
use parking_lot::RwLock;
use reflow_network::actor::message::Message;
use reflow_network::actor::{Actor, ActorBehavior, ActorLoad, Port};
use reflow_network::bridge::NetworkBridge;
use reflow_network::discovery::DiscoveryService;
use reflow_network::distributed_network::DistributedConfig;
use reflow_network::network::{Network, NetworkConfig};
use serde_json::{json, Value};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader};

fn tell(event: Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{event}");
    let _ = out.flush();
}

/// Tells every message that it gets.
struct Recorder {
    inports: Port,
    outports: Port,
    load: Arc<ActorLoad>,
}

impl Recorder {
    fn new() -> Self {
        let load = Arc::new(ActorLoad::new(0));
        Recorder { inports: flume::unbounded(), outports: flume::unbounded(), load }
    }
}

impl Actor for Recorder {
    fn get_behavior(&self) -> ActorBehavior {
        Box::new(|context| {
            let payload = context.get_payload().clone();
            Box::pin(async move {
                for (port, message) in payload {
                    tell(json!({"event": "message", "port": port, "message": message}));
                }
                Ok(HashMap::new())
            })
        })
    }
    fn get_inports(&self) -> Port {
        self.inports.clone()
    }
    fn get_outports(&self) -> Port {
        self.outports.clone()
    }
    fn inport_names(&self) -> Vec<String> {
        vec!["in".into()]
    }
    fn outport_names(&self) -> Vec<String> {
        vec!["out".into()]
    }
    fn load_count(&self) -> Arc<ActorLoad> {
        self.load.clone()
    }
    fn create_instance(&self) -> Arc<dyn Actor> {
        Arc::new(Recorder::new())
    }
}

struct Peer {
    config: DistributedConfig,
    bridge: NetworkBridge,
}

fn text<'a>(command: &'a Value, key: &str) -> Result<&'a str> {
    command[key].as_str().with_context(|| format!("no text \"{key}\" in {command}"))
}

impl Peer {
    async fn obey(&self, command: &Value) -> Result<Value> {
        match text(command, "do")? {
            "connect" => {
                self.bridge.connect_to_network(text(command, "endpoint")?).await?;
                Ok(Value::Null)
            }
            "send" => {
                let message: Message = serde_json::from_value(command["message"].clone())?;
                let (network, actor) = (text(command, "network")?, text(command, "actor")?);
                let port = text(command, "port")?;
                self.bridge.send_remote_message(network, actor, port, message, Some("tester")).await?;
                Ok(Value::Null)
            }
            "actors" => {
                let actors = self.bridge.discover_remote_actors(text(command, "network")?).await?;
                Ok(json!(actors))
            }
            "networks" => {
                let networks = DiscoveryService::new(self.config.clone()).discover_networks().await?;
                Ok(json!(networks))
            }
            other => anyhow::bail!("unknown command {other}"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let usage = "usage: rust-peer NETWORK_ID PORT HEARTBEAT_MS [DISCOVERY_URL]";
    let id = arguments.get(1).context(usage)?;
    // With tracing on, every Rust network dials port 8080.
    let mut local = NetworkConfig::default();
    local.tracing.enabled = false;
    let config = DistributedConfig {
        network_id: id.clone(),
        instance_id: format!("{id}-1"),
        bind_address: "127.0.0.1".into(),
        bind_port: arguments.get(2).context(usage)?.parse()?,
        discovery_endpoints: arguments.get(4).cloned().into_iter().collect(),
        auth_token: None,
        max_connections: 100,
        heartbeat_interval_ms: arguments.get(3).context(usage)?.parse()?,
        local_network_config: local.clone(),
    };

    let network = Arc::new(RwLock::new(Network::new(local)));
    // The event channel has no bound: without a reader, memory grows with every message.
    let events = network.read().get_event_receiver();
    tokio::spawn(async move { while events.recv_async().await.is_ok() {} });
    network.write().register_actor("recorder", Recorder::new())?;
    network.write().add_node("recorder", "recorder", None)?;

    let bridge = NetworkBridge::new(config.clone()).await?;
    bridge.start(network.clone()).await?;
    network.write().start()?;
    tell(json!({"event": "ready"}));

    let peer = Peer { config, bridge };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let result = peer.obey(&command).await;
        let (ok, value) = match result {
            Ok(value) => (true, value),
            Err(error) => (false, json!(error.to_string())),
        };
        tell(json!({"event": "done", "do": command["do"], "ok": ok, "value": value}));
    }
    Ok(())
}
