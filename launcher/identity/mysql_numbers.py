"""The numbers of MySQL's and MariaDB's errors, and what each means for the operator.

https://mariadb.com/kb/en/mariadb-error-codes/ and
https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html.
"""

from launcher.errors import BUSY, PERMISSION, UNREACHABLE

NO_TABLE, NO_COLUMN = 1146, 1054
NO_RIGHT = (1142, 1143)
DENIED = (1045, 1698)
TOO_LONG = (1969, 3024, 1317)
# No right to ask, or a server that has no such statement, setting or table; 1141 and 1290: SHOW GRANTS for an account
# that only a proxy knows, and under --skip-grant-tables.
UNTOLD = (*NO_RIGHT, NO_TABLE, 1227, 1064, 1193, 1109, 1141, 1290)
LOST = (2002, 2003, 2005, 2006, 2013, 2055)
# Of the server, the connection or the machine, whatever table was asked for: out of memory, threads or disk, a broken
# or killed connection.
NO_TABLES_FAULT = (1021, 1037, 1038, 1041, 1135, 1158, 1159, 1160, 1161, 1927, 3169, 4031)
_LOCKED = (1205, 1213, 1412)

_CHECK = "check the user and the password in {place}; in a URL @ : / ? # % are written %40 %3A %2F %3F %23 %25"
_LATER = "try again in a moment"
_FULL = "close what is not needed, or raise the limit; SHOW PROCESSLIST tells who is connected"

# number: slug, code, what, hint
TOLD: dict[int, tuple[str, int, str, str]] = {
    1045: (
        "wrong-password",
        PERMISSION,
        "access denied: the user or the password is wrong, or an encrypted connection is asked for;"
        " the server does not say which",
        _CHECK,
    ),
    1698: (
        "wrong-password",
        PERMISSION,
        "access denied: there is no such user, or it is let in over the socket only, as a user of the server's machine;"
        " the server does not say which",
        "check the user in {place}, or add ?unix_socket=PATH and run the task as that user",
    ),
    1862: ("wrong-password", PERMISSION, "this user's password has expired", "ALTER USER … IDENTIFIED BY '…'"),
    1820: ("wrong-password", PERMISSION, "this user's password has expired", "ALTER USER … IDENTIFIED BY '…'"),
    3118: ("wrong-password", PERMISSION, "this user's account is locked", "ALTER USER … ACCOUNT UNLOCK"),
    4151: ("wrong-password", PERMISSION, "this user's account is locked", "ALTER USER … ACCOUNT UNLOCK"),
    1130: (
        "no-right",
        PERMISSION,
        "the server lets nobody in from this machine",
        "CREATE USER 'user'@'host' for this machine's address on the server, and GRANT its rights",
    ),
    1129: (
        "busy",
        BUSY,
        "the server has blocked this machine after too many broken connections",
        "on the server: mariadb-admin flush-hosts (MySQL: mysqladmin flush-hosts)",
    ),
    1251: (
        "wrong-password",
        PERMISSION,
        "the server asks for an authentication plugin that PyMySQL does not have",
        "give this user another: ALTER USER … IDENTIFIED VIA mysql_native_password (MySQL: WITH caching_sha2_password)",
    ),
    1040: ("busy", BUSY, "the server has too many connections", _FULL),
    1203: ("busy", BUSY, "this user has as many connections as it may have", _FULL),
    1226: ("busy", BUSY, "this user has used up what its account may have (connections or questions)", _FULL),
    1053: ("busy", BUSY, "the server is shutting down", _LATER),
    2026: ("unreachable", UNREACHABLE, "no encrypted connection came about", "look at ssl_ca, ssl_cert and ssl_key"),
    3159: (
        "unreachable",
        UNREACHABLE,
        "the server takes encrypted connections only",
        "add ?ssl_mode=REQUIRED or ssl_ca",
    ),
}
TOLD[1870] = TOLD[1203]
TOLD[2059] = TOLD[1251]
TOLD[1080] = TOLD[1053]
for _number in _LOCKED:
    TOLD[_number] = ("busy", BUSY, "another connection holds a lock on a table of it", _LATER)
for _number in TOO_LONG:
    TOLD[_number] = ("busy", BUSY, "it did not answer within the time that a question gets", _LATER)
