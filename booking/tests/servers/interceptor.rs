//! Stands between a client and its server, and cuts the connection at the worst moment, once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// When to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the marked request reaches the server.
    Request,
    /// After the server has answered it, before the client hears.
    Answer,
}

/// Cuts on the first request that contains the mark after [`Interceptor::arm`].
pub(crate) struct Interceptor {
    pub(crate) port: u16,
    armed: Arc<AtomicBool>,
}

impl Interceptor {
    pub(crate) async fn start(server: String, mark: &'static str, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::new(AtomicBool::new(false));
        let watch = Arc::clone(&armed);

        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, mark, cut, Arc::clone(&watch)));
            }
        });
        Self { port, armed }
    }

    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_cut(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    mark: &'static str,
    cut: Cut,
    armed: Arc<AtomicBool>,
) {
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(length @ 1..) = read else { return };
                let marked = up[..length].windows(mark.len()).any(|window| window == mark.as_bytes());
                let cuts = marked && armed.swap(false, Ordering::SeqCst);
                if cuts && cut == Cut::Request {
                    return;
                }
                if server.write_all(&up[..length]).await.is_err() {
                    return;
                }
                if cuts {
                    let _ = server.read(&mut down).await; // the answer, for nobody
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&down[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
