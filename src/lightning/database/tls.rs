//! TLS to the database, as Lightning turns it on and off.
//!
//! Rules: Lightning's `DISABLE_DB_SSL` and `DISABLE_DB_SSL_CERT_VERIFY`, of its `Lightning.Config.Bootstrap`. What a certificate
//! is checked against are the machine's own roots, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether the way to the database is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// It is not.
    Off,
    /// It is, to whoever answers: what is sent cannot be read by those who only listen.
    Unchecked,
    /// It is, and the server's certificate has to be good for its name.
    #[default]
    Checked,
}

/// There is nothing to check a certificate against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this machine has no root certificates to check the database's with")]
pub struct NoRootCertificates;

impl Tls {
    /// What makes TLS connections; those of [`Tls::Off`] are never asked for.
    pub(super) fn connector(self) -> Result<MakeRustlsConnect, NoRootCertificates> {
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for every version of TLS");
        let client = match self {
            Tls::Checked => client.with_root_certificates(roots()?),
            Tls::Off | Tls::Unchecked => {
                client.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
            }
        };
        Ok(MakeRustlsConnect::new(client.with_no_client_auth()))
    }
}

fn roots() -> Result<RootCertStore, NoRootCertificates> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added > 0 { Ok(roots) } else { Err(NoRootCertificates) }
}

/// Takes every certificate. The handshake still has to be signed with its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
