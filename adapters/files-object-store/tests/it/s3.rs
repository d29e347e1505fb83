//! A server that speaks S3, on loopback, on a folder.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use interbank_files_object_store::Roots;
use interbank_files_object_store::object_store::aws::{
    AmazonS3, AmazonS3Builder, S3CopyIfNotExists,
};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It ends with the test.
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(root: &Path) -> Self {
        std::fs::create_dir_all(root.join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let connections = Builder::new(TokioExecutor::new());
                    let _ = connections.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, task }
    }

    /// A client of it; whether it copies only where nothing is, is a setting.
    pub(crate) fn client(&self, copies: bool) -> AmazonS3 {
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(format!("http://{}", self.address))
            .with_allow_http(true)
            .with_region("hq")
            .with_bucket_name(BUCKET)
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .with_http_connector(Roots::none().unwrap());
        if copies {
            builder = builder.with_copy_if_not_exists(S3CopyIfNotExists::Multipart);
        }
        builder.build().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const BUCKET: &str = "files";
const KEY: &str = "filexfer";
const SECRET: &str = "between us";
