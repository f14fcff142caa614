//! Names of error numbers, which are the same on every architecture but a few that ARM is not of.

/// From 1 on; `-` where there is none. The numbers are POSIX' and Linux's (`asm-generic/errno.h`).
const NAMES: &str = "EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES \
     EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY \
     ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK \
     ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH \
     ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME \
     ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG \
     EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ \
     ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT \
     EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE \
     EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN \
     ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY \
     EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE \
     ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON";

/// The first of those that never reach a program.
const FIRST_INTERNAL: u32 = 512;
/// From [`FIRST_INTERNAL`] on.
const INTERNAL: &str = "ERESTARTSYS ERESTARTNOINTR ERESTARTNOHAND ENOIOCTLCMD ERESTART_RESTARTBLOCK EPROBE_DEFER \
     EOPENSTALE ENOPARAM - EBADHANDLE ENOTSYNC EBADCOOKIE ENOTSUPP ETOOSMALL ESERVERFAULT \
     EBADTYPE EJUKEBOX EIOCBQUEUED ERECALLCONFLICT ENOGRACE";

/// The name of an error number; `None` if it has none.
pub(crate) fn name(number: u32) -> Option<&'static str> {
    let (names, index) = match number.checked_sub(FIRST_INTERNAL) {
        Some(index) => (INTERNAL, index),
        None => (NAMES, number.checked_sub(1)?),
    };
    names.split(' ').nth(usize::try_from(index).ok()?).filter(|name| *name != "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        for (number, expected) in [
            (1, "EPERM"),
            (2, "ENOENT"),
            (11, "EAGAIN"),
            (12, "ENOMEM"),
            (14, "EFAULT"),
            (22, "EINVAL"),
            (34, "ERANGE"),
            (35, "EDEADLK"),
            (42, "ENOMSG"),
            (59, "EBFONT"),
            (75, "EOVERFLOW"),
            (95, "EOPNOTSUPP"),
            (110, "ETIMEDOUT"),
            (132, "ERFKILL"),
            (133, "EHWPOISON"),
            (512, "ERESTARTSYS"),
            (517, "EPROBE_DEFER"),
            (524, "ENOTSUPP"),
            (531, "ENOGRACE"),
        ] {
            assert_eq!(name(number), Some(expected));
        }
        for none in [0, 41, 58, 134, 511, 520, 532, 4095, u32::MAX] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
