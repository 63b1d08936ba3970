"""The security extension's certificate commands (OCPP 1.6 security whitepaper, chapter 5)."""

from ocpp.routing import on
from ocpp.v16 import call_result
from ocpp.v16.enums import (
    Action,
    CertificateSignedStatus,
    CertificateStatus,
    DeleteCertificateStatus,
    GetInstalledCertificateStatus,
)

from .certificates import hash_data, is_certificate, read_certificate
from .commands import Commands


class SecurityCommands(Commands):
    """Root certificates that the charge point keeps, by their use, and its own."""

    @on(Action.install_certificate)
    def on_install_certificate(
        self, certificate_type: str, certificate: str
    ) -> call_result.InstallCertificate:
        """Keep a root certificate that can be read, as long as there is room."""
        root, store = read_certificate(certificate), self.station.certificates
        if root is None:
            return call_result.InstallCertificate(status=CertificateStatus.rejected)
        entry = (certificate_type, hash_data(root))
        if entry not in store:
            if len(store) >= int(self.station.configuration["CertificateStoreMaxLength"]):
                return call_result.InstallCertificate(status=CertificateStatus.failed)
            store.append(entry)
        return call_result.InstallCertificate(status=CertificateStatus.accepted)

    @on(Action.get_installed_certificate_ids)
    def on_get_installed_certificate_ids(
        self, certificate_type: str
    ) -> call_result.GetInstalledCertificateIds:
        """Tell the hashes of the certificates for one use."""
        found = [hashes for use, hashes in self.station.certificates if use == certificate_type]
        if not found:
            return call_result.GetInstalledCertificateIds(status=GetInstalledCertificateStatus.not_found)
        return call_result.GetInstalledCertificateIds(
            status=GetInstalledCertificateStatus.accepted, certificate_hash_data=found
        )

    @on(Action.delete_certificate)
    def on_delete_certificate(self, certificate_hash_data: dict[str, str]) -> call_result.DeleteCertificate:
        """Forget the certificate with these hashes."""
        kept = [entry for entry in self.station.certificates if entry[1] != certificate_hash_data]
        found = len(kept) < len(self.station.certificates)
        self.station.certificates = kept
        status = DeleteCertificateStatus.accepted if found else DeleteCertificateStatus.not_found
        return call_result.DeleteCertificate(status=status)

    @on(Action.certificate_signed)
    def on_certificate_signed(self, certificate_chain: str) -> call_result.CertificateSigned:
        """Take the charge point's own certificate, if it is one."""
        accepted = is_certificate(certificate_chain)
        status = CertificateSignedStatus.accepted if accepted else CertificateSignedStatus.rejected
        return call_result.CertificateSigned(status=status)
