//! Where the server listens: several addresses at once, IPv6, and Unix sockets with their files.
//!
//! Not here: what may be listened on without tokens, and a port that is taken ([`crate::process`]).

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use presenced::server::{ListenAddress, Listeners};
use presenced::wire::Vsn;
use serde_json::json;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use crate::support::process::{Process, run};
use crate::support::{Client, within};

#[tokio::test(flavor = "multi_thread")]
async fn one_server_serves_every_address_of_the_list() {
    let folder = Folder::new("all");
    let socket = folder.file("presenced.sock");
    let addresses = format!("127.0.0.1, ::1, unix:{}", socket.display());
    let process = Process::start_listening(3, &[], &[("LISTEN_ADDRESS", &addresses)]).await;
    let [ipv4, ipv6, unix] = process.listening() else { panic!("{:?}", process.listening()) };
    let (ipv4, ipv6): (SocketAddr, SocketAddr) =
        (ipv4.parse().expect("an address"), ipv6.parse().expect("an address"));
    assert!(ipv4.ip() == Ipv4Addr::LOCALHOST && ipv6.ip() == Ipv6Addr::LOCALHOST, "{ipv4} {ipv6}");
    assert_eq!(*unix, format!("unix:{}", socket.display()));

    let mut clients = [
        Client::connect(ipv4, Vsn::V2, "user_id=ipv4").await,
        Client::connect(ipv6, Vsn::V2, "user_id=ipv6").await,
        Client::connect_unix(&socket, Vsn::V2, "user_id=unix").await,
    ];
    for client in &mut clients {
        client.enter(TOPIC).await;
    }
    let [mut first, second, third] = clients;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let diff = first.expect(TOPIC, "presence_diff").await;
        seen.extend(diff.payload["joins"].as_object().expect("an object").keys().cloned());
    }
    assert_eq!(seen, ["ipv4", "ipv6", "unix"]);
    drop(third);
    let left = first.expect(TOPIC, "presence_diff").await;
    assert!(left.payload["leaves"]["unix"].is_object(), "{left:?}");

    process.signal("TERM").await;
    assert_eq!(first.closed().await, 1012);
    drop((first, second));
    assert_eq!(process.ended().await.code, Some(0));
    assert!(!socket.exists(), "the file goes with the process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_comes_whole_through_a_unix_socket() {
    let folder = Folder::new("large");
    let socket = folder.file("presenced.sock");
    let process = start_on(&socket).await;
    let mut client = Client::connect_unix(&socket, Vsn::V2, "user_id=1").await;
    client.enter(TOPIC).await;
    let topic = format!("unserved:{}", "x".repeat(1_000_000));
    let unserved = client.join(&topic, json!({})).await;
    assert_eq!(unserved.response, json!({"reason": "unmatched topic"}));
    drop(process);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_process_that_was_killed_is_replaced() {
    let folder = Folder::new("killed");
    let socket = folder.file("presenced.sock");
    let killed = start_on(&socket).await;
    killed.signal("KILL").await;
    assert_eq!(killed.ended().await.code, None);
    assert!(socket.exists(), "nobody could remove it");
    let process = start_on(&socket).await;
    Client::connect_unix(&socket, Vsn::V2, "user_id=1").await.heartbeat().await;
    drop(process);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_in_use_ends_with_1_and_stays() {
    let folder = Folder::new("used");
    let (socket, note) = (folder.file("presenced.sock"), folder.file("note"));
    let process = start_on(&socket).await;
    fs::write(&note, "mine").expect("the folder takes files");
    for taken in [&socket, &note] {
        let ended = run(&["--listen-address", &format!("unix:{}", taken.display())], &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        let line = format!("presenced: cannot listen on unix:{}: ", taken.display());
        assert!(ended.stderr.starts_with(&line) && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    }
    Client::connect_unix(&socket, Vsn::V2, "user_id=1").await.heartbeat().await;
    assert_eq!(fs::read_to_string(&note).expect("it is there"), "mine");
    drop(process);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_address_cannot_be_listened_on_none_is() {
    let folder = Folder::new("one");
    let socket = folder.file("presenced.sock");
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
    let taken = holder.local_addr().expect("a bound socket has an address");
    let addresses = format!("unix:{},127.0.0.1", socket.display());
    let ended = run(&["--listen-address", &addresses, "--port", &taken.port().to_string()], &[]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with(&format!("presenced: cannot listen on {taken}: ")), "{}", ended.stderr);
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_file_that_somebody_else_has_put_there_since_is_not_removed() {
    let folder = Folder::new("since");
    let socket = folder.file("presenced.sock");
    let address = [ListenAddress::Unix(socket.clone())];
    let old = Listeners::bind(&address).await.expect("nothing is there");
    fs::remove_file(&socket).expect("it is there");
    let new = Listeners::bind(&address).await.expect("nothing is there any more");
    drop(old);
    within("a connection", UnixStream::connect(&socket)).await.expect("the new one listens");
    drop(new);
    assert!(!socket.exists());
}

#[tokio::test]
async fn all_of_ipv6_can_be_listened_on_beside_all_of_ipv4() {
    let free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("there is a free port");
    let port = free.local_addr().expect("a bound socket has an address").port();
    drop(free);
    let both = [(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()];
    let listeners = Listeners::bind(&both.map(ListenAddress::Tcp)).await.expect("they are apart");
    for address in [(Ipv4Addr::LOCALHOST, port).into(), SocketAddr::from((Ipv6Addr::LOCALHOST, port))] {
        within("a connection", TcpStream::connect(address)).await.expect("it is listened on");
    }
    drop(listeners);
}

/// The listeners had room for one, and nobody accepts.
#[tokio::test]
async fn a_listener_that_a_program_hands_over_has_room_for_a_storm() {
    let tcp = short_of_room(Domain::IPV4, &SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    let tcp = TcpListener::from_std(tcp.into()).expect("it does not block");
    let address = tcp.local_addr().expect("a bound socket has an address");
    let listeners = Listeners::from(tcp);
    let storm = (0..storm_size()).map(|_| timeout(BELOW_A_RETRY, TcpStream::connect(address)));
    for connected in join_all(storm).await {
        connected.expect("no client's kernel has to try again").expect("it is listened on");
    }
    drop(listeners);

    let folder = Folder::new("storm");
    let (theirs, ours) = (folder.file("theirs.sock"), folder.file("ours.sock"));
    let unix = short_of_room(Domain::UNIX, &SockAddr::unix(&theirs).expect("the path is short"));
    let unix = UnixListener::from_std(unix.into()).expect("it does not block");
    let listeners = Listeners::from(unix);
    let bound_here = Listeners::bind(&[ListenAddress::Unix(ours.clone())]).await.expect("nothing is there");
    for path in [&theirs, &ours] {
        // Where there is no room a Unix socket refuses at once.
        for connected in join_all((0..storm_size()).map(|_| UnixStream::connect(path))).await {
            connected.expect("there is room");
        }
    }
    drop((listeners, bound_here));
}

/// A process that listens on this Unix socket, and nowhere else.
async fn start_on(socket: &Path) -> Process {
    Process::start(&["--listen-address", &format!("unix:{}", socket.display())]).await
}

/// A listener that lets one connection wait.
fn short_of_room(domain: Domain, address: &SockAddr) -> OwnedFd {
    let socket = Socket::new(domain, Type::STREAM, None).expect("there are descriptors");
    socket.set_nonblocking(true).expect("a socket need not block");
    socket.bind(address).expect("nothing is there");
    socket.listen(1).expect("it is bound");
    socket.into()
}

/// As many as the kernel lets wait, but no more than a storm takes.
fn storm_size() -> usize {
    let limit = fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux says it");
    limit.trim().parse::<usize>().expect("a number").min(200)
}

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("presenced-{}-{name}", std::process::id()));
        fs::create_dir(&folder).expect("the temporary folder takes folders");
        Folder(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Somebody else may have cleaned up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A kernel whose handshake was not answered tries again after a second.
const BELOW_A_RETRY: Duration = Duration::from_millis(900);
const TOPIC: &str = "workflow:presence:w";
