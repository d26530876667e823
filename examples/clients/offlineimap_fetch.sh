#!/bin/sh
# offlineimap: starttls=yes upgrades if TLS is offered; there is no setting for TLS or nothing but ssl=yes (implicit TLS).
# Arguments: scheme, host, port, user, password, authority.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$1" = imaps ] && implicit=yes || implicit=no
cat >"$folder/rc" <<END
[general]
accounts = lab
metadata = $folder/state
socktimeout = 5
[Account lab]
localrepository = here
remoterepository = there
[Repository here]
type = Maildir
localfolders = $folder/mail
[Repository there]
type = IMAP
remotehost = $2
remoteport = $3
remoteuser = $4
remotepass = $5
ssl = $implicit
starttls = yes
sslcacertfile = $6
createfolders = false
maxconnections = 1
END
offlineimap -c "$folder/rc" -o -u basic
