"""Certificates for tests, made by the openssl command: authorities, and what they sign."""
import pathlib
import subprocess


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(args)}: {done.stderr}")


class Authority:
    """An authority of its own, with its files in `folder`."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.certificate, self.key = str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def sign(self, name, subject=None, alternative="DNS:localhost,IP:127.0.0.1", password=None):
        """Makes NAME.pem and NAME.key; returns both paths."""
        certificate, key = str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")
        request, extensions = str(self.folder / f"{name}.csr"), self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        hidden = ["-passout", "pass:" + password] if password else ["-nodes"]
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *hidden,
                "-subj", subject or f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-days", "2", "-extfile", str(extensions), "-out", certificate)
        return certificate, key
