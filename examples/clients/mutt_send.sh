#!/bin/sh
# mutt: ssl_force_tls=yes is for TLS or nothing; with no, TLS is used if it is offered.
# Arguments: yes or no, scheme, host, port, user, password, authority. The mail's text is on standard input.
trust="ssl_starttls=yes certificate_file=$7"
server="smtp_url=$2://$5:$6@$3:$4/"
mutt -n -F /dev/null -e "set ssl_force_tls=$1 $trust $server from=alice@lab.test copy=no" -s secret bob@lab.test
