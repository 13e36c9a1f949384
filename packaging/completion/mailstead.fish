# fish completion for mailstead; printed by 'mailstead completion fish'

function __mailstead_place
  set -l place
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case --config --data --folder --from --keep --newest --only --password-file --port --probe --time-server --tls --uidl-format --user
        set skip 1
      case '-*'
      case '*'
        set -a place $word
    end
  end
  echo "$place"
end
function __mailstead_at
  test (__mailstead_place) = "$argv[1]"
end
function __mailstead_within
  string match -q -- "$argv[1] *" (__mailstead_place)" "
end
complete -c mailstead -f
complete -c mailstead -l data -x -a '(__fish_complete_directories)' -d 'the data folder'
complete -c mailstead -l config -r -F -d 'the configuration'
complete -c mailstead -l json -d 'for programs'
complete -c mailstead -l help -d 'what the command does'
complete -c mailstead -n '__mailstead_at ""' -a serve -d 'run the server in the foreground'
complete -c mailstead -n '__mailstead_at ""' -a mailbox
complete -c mailstead -n '__mailstead_at ""' -a app-password
complete -c mailstead -n '__mailstead_at ""' -a message
complete -c mailstead -n '__mailstead_at ""' -a why -d 'tell what is known of an address or a message, and what to do'
complete -c mailstead -n '__mailstead_at ""' -a alias
complete -c mailstead -n '__mailstead_at ""' -a domain
complete -c mailstead -n '__mailstead_at ""' -a queue
complete -c mailstead -n '__mailstead_at ""' -a status -d 'say what the running server does; fails when none runs'
complete -c mailstead -n '__mailstead_at ""' -a web-link -d 'print a link into the administration page, for a browser'
complete -c mailstead -n '__mailstead_at ""' -a doctor -d 'say whether the machine, the DNS and the network are as mail needs them'
complete -c mailstead -n '__mailstead_at ""' -a client-card -d 'say how a mail program or a phone is set up for a mailbox'
complete -c mailstead -n '__mailstead_at ""' -a metrics -d 'print what a monitor wants to know, in Prometheus\' form'
complete -c mailstead -n '__mailstead_at ""' -a ban
complete -c mailstead -n '__mailstead_at ""' -a dns
complete -c mailstead -n '__mailstead_at ""' -a dkim
complete -c mailstead -n '__mailstead_at ""' -a tls
complete -c mailstead -n '__mailstead_at ""' -a import
complete -c mailstead -n '__mailstead_at ""' -a export
complete -c mailstead -n '__mailstead_at ""' -a backup -d 'write a backup of everything into a folder'
complete -c mailstead -n '__mailstead_at ""' -a restore -d 'bring a backup back into the data folder'
complete -c mailstead -n '__mailstead_at ""' -a verify -d 'check that all mail is there and as it came'
complete -c mailstead -n '__mailstead_at ""' -a config
complete -c mailstead -n '__mailstead_at ""' -a completion -d 'print the completion script of a shell: bash, fish or zsh'
complete -c mailstead -n '__mailstead_at ""' -a help -d 'explain the commands, or one of them'
complete -c mailstead -n '__mailstead_at "alias"' -a add -d 'have mail to ALIAS go to other mailboxes, or to other hosts'
complete -c mailstead -n '__mailstead_at "alias"' -a list -d 'list the aliases'
complete -c mailstead -n '__mailstead_at "alias"' -a remove -d 'remove an alias'
complete -c mailstead -n '__mailstead_at "app-password"' -a add -d 'make a password for one device or program'
complete -c mailstead -n '__mailstead_at "app-password"' -a list -d 'list the app passwords of a mailbox'
complete -c mailstead -n '__mailstead_at "app-password"' -a revoke -d 'shut out a device; its sessions end'
complete -c mailstead -n '__mailstead_within "app-password add"' -l apop -d 'it is good for APOP too'
complete -c mailstead -n '__mailstead_within "app-password add"' -l only -x -a 'send read'
complete -c mailstead -n '__mailstead_within "app-password add"' -l only -x -d 'it is good for sending (SMTP) or reading (POP3) only'
complete -c mailstead -n '__mailstead_within "backup"' -l test -d 'restore it beside itself, and read and compare everything'
complete -c mailstead -n '__mailstead_within "backup"' -l keep -r -F -d 'how many backups stay in DIR, default 7'
complete -c mailstead -n '__mailstead_at "ban"' -a list -d 'list the networks that may not log in for a while'
complete -c mailstead -n '__mailstead_at "ban"' -a remove -d 'end the ban of an address'
complete -c mailstead -n '__mailstead_within "client-card"' -l apple -d 'print a configuration profile for iPhone, iPad and Mac instead'
complete -c mailstead -n '__mailstead_at "completion"' -a bash
complete -c mailstead -n '__mailstead_at "completion"' -a fish
complete -c mailstead -n '__mailstead_at "completion"' -a zsh
complete -c mailstead -n '__mailstead_at "config"' -a show -d 'print the values in force'
complete -c mailstead -n '__mailstead_at "config"' -a check -d 'read the configuration and say what is wrong'
complete -c mailstead -n '__mailstead_at "config"' -a default -d 'print every key with its default'
complete -c mailstead -n '__mailstead_at "config"' -a manual -d 'print the manual page of the configuration file'
complete -c mailstead -n '__mailstead_at "dkim"' -a show -d 'show the DNS records of the keys that sign mail'
complete -c mailstead -n '__mailstead_at "dkim"' -a rotate -d 'make new keys that sign the mail of a domain'
complete -c mailstead -n '__mailstead_within "dkim rotate"' -l activate -d 'the new records are published'
complete -c mailstead -n '__mailstead_at "dns"' -a records -d 'show what to publish in the DNS'
complete -c mailstead -n '__mailstead_at "dns"' -a check -d 'compare the DNS with what is to be published'
complete -c mailstead -n '__mailstead_within "dns records"' -l zone -d 'as lines of a zone file'
complete -c mailstead -n '__mailstead_within "doctor"' -l strict -d 'the exit code is 1 for warnings, too'
complete -c mailstead -n '__mailstead_within "doctor"' -l only -x -a '(__fish_append , configuration server data-folder disk file-limits memory clock backup hostname dns-forward dns-reverse ipv6 resolver dns-lists dns-records tls ports port-25-out port-25-in open-relay client-addresses)'
complete -c mailstead -n '__mailstead_within "doctor"' -l only -x -d 'some checks'
complete -c mailstead -n '__mailstead_within "doctor"' -l probe -r -F -d 'mail servers to be reached on port 25, in place of Google\'s, Microsoft\'s and Yahoo\'s'
complete -c mailstead -n '__mailstead_within "doctor"' -l time-server -r -F -d 'who is asked for the time (SNTP), in place of time.cloudflare.com'
complete -c mailstead -n '__mailstead_at "domain"' -a list -d 'list the domains that mail is taken for'
complete -c mailstead -n '__mailstead_at "domain"' -a remove -d 'take no more mail for a domain: remove its aliases'
complete -c mailstead -n '__mailstead_at "export"' -a maildir -d 'write the mail of a mailbox into a new maildir'
complete -c mailstead -n '__mailstead_at "export"' -a mbox -d 'write the mail of a mailbox into an mbox file'
complete -c mailstead -n '__mailstead_at "help"' -a serve
complete -c mailstead -n '__mailstead_at "help"' -a mailbox
complete -c mailstead -n '__mailstead_at "help"' -a app-password
complete -c mailstead -n '__mailstead_at "help"' -a message
complete -c mailstead -n '__mailstead_at "help"' -a why
complete -c mailstead -n '__mailstead_at "help"' -a alias
complete -c mailstead -n '__mailstead_at "help"' -a domain
complete -c mailstead -n '__mailstead_at "help"' -a queue
complete -c mailstead -n '__mailstead_at "help"' -a status
complete -c mailstead -n '__mailstead_at "help"' -a web-link
complete -c mailstead -n '__mailstead_at "help"' -a doctor
complete -c mailstead -n '__mailstead_at "help"' -a client-card
complete -c mailstead -n '__mailstead_at "help"' -a metrics
complete -c mailstead -n '__mailstead_at "help"' -a ban
complete -c mailstead -n '__mailstead_at "help"' -a dns
complete -c mailstead -n '__mailstead_at "help"' -a dkim
complete -c mailstead -n '__mailstead_at "help"' -a tls
complete -c mailstead -n '__mailstead_at "help"' -a import
complete -c mailstead -n '__mailstead_at "help"' -a export
complete -c mailstead -n '__mailstead_at "help"' -a backup
complete -c mailstead -n '__mailstead_at "help"' -a restore
complete -c mailstead -n '__mailstead_at "help"' -a verify
complete -c mailstead -n '__mailstead_at "help"' -a config
complete -c mailstead -n '__mailstead_at "help"' -a completion
complete -c mailstead -n '__mailstead_at "help"' -a help
complete -c mailstead -n '__mailstead_at "help alias"' -a add -d 'have mail to ALIAS go to other mailboxes, or to other hosts'
complete -c mailstead -n '__mailstead_at "help alias"' -a list -d 'list the aliases'
complete -c mailstead -n '__mailstead_at "help alias"' -a remove -d 'remove an alias'
complete -c mailstead -n '__mailstead_at "help app-password"' -a add -d 'make a password for one device or program'
complete -c mailstead -n '__mailstead_at "help app-password"' -a list -d 'list the app passwords of a mailbox'
complete -c mailstead -n '__mailstead_at "help app-password"' -a revoke -d 'shut out a device; its sessions end'
complete -c mailstead -n '__mailstead_at "help ban"' -a list -d 'list the networks that may not log in for a while'
complete -c mailstead -n '__mailstead_at "help ban"' -a remove -d 'end the ban of an address'
complete -c mailstead -n '__mailstead_at "help config"' -a show -d 'print the values in force'
complete -c mailstead -n '__mailstead_at "help config"' -a check -d 'read the configuration and say what is wrong'
complete -c mailstead -n '__mailstead_at "help config"' -a default -d 'print every key with its default'
complete -c mailstead -n '__mailstead_at "help config"' -a manual -d 'print the manual page of the configuration file'
complete -c mailstead -n '__mailstead_at "help dkim"' -a show -d 'show the DNS records of the keys that sign mail'
complete -c mailstead -n '__mailstead_at "help dkim"' -a rotate -d 'make new keys that sign the mail of a domain'
complete -c mailstead -n '__mailstead_at "help dns"' -a records -d 'show what to publish in the DNS'
complete -c mailstead -n '__mailstead_at "help dns"' -a check -d 'compare the DNS with what is to be published'
complete -c mailstead -n '__mailstead_at "help domain"' -a list -d 'list the domains that mail is taken for'
complete -c mailstead -n '__mailstead_at "help domain"' -a remove -d 'take no more mail for a domain: remove its aliases'
complete -c mailstead -n '__mailstead_at "help export"' -a maildir -d 'write the mail of a mailbox into a new maildir'
complete -c mailstead -n '__mailstead_at "help export"' -a mbox -d 'write the mail of a mailbox into an mbox file'
complete -c mailstead -n '__mailstead_at "help import"' -a maildir -d 'bring the mail of a maildir into a mailbox'
complete -c mailstead -n '__mailstead_at "help import"' -a mbox -d 'bring the mail of an mbox file into a mailbox'
complete -c mailstead -n '__mailstead_at "help import"' -a pop3 -d 'fetch the mail of a mailbox on another server, by POP3'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a add -d 'make a mailbox'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a list -d 'list the mailboxes'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a show -d 'show one mailbox'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a remove -d 'remove a mailbox with its mail'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a password -d 'give a mailbox another password'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a disable -d 'take no mail for it and let nobody log in'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a enable -d 'end what \'mailbox disable\' began'
complete -c mailstead -n '__mailstead_at "help mailbox"' -a quota -d 'set how much a mailbox may hold'
complete -c mailstead -n '__mailstead_at "help message"' -a list -d 'list the messages of a mailbox'
complete -c mailstead -n '__mailstead_at "help message"' -a show -d 'show one message: who fetched it, who deleted it, and when'
complete -c mailstead -n '__mailstead_at "help message"' -a restore -d 'put deleted messages back into the mailbox'
complete -c mailstead -n '__mailstead_at "help queue"' -a list -d 'list the mail that waits to be sent to other hosts'
complete -c mailstead -n '__mailstead_at "help queue"' -a show -d 'show one message of the queue: each attempt, and what the other side said'
complete -c mailstead -n '__mailstead_at "help queue"' -a retry -d 'try to send a message now, or all that are not held'
complete -c mailstead -n '__mailstead_at "help queue"' -a hold -d 'keep a message from being sent until it is released'
complete -c mailstead -n '__mailstead_at "help queue"' -a release -d 'let a held message be sent'
complete -c mailstead -n '__mailstead_at "help queue"' -a drop -d 'take a message out of the queue; nobody is told'
complete -c mailstead -n '__mailstead_at "help tls"' -a show -d 'show the TLS certificate'
complete -c mailstead -n '__mailstead_at "help tls"' -a reload -d 'have the server read the certificates now'
complete -c mailstead -n '__mailstead_at "help tls"' -a renew -d 'get a new certificate from the authority now'
complete -c mailstead -n '__mailstead_at "help tls"' -a others -d 'show how connections to other hosts came out, of the last month'
complete -c mailstead -n '__mailstead_at "import"' -a maildir -d 'bring the mail of a maildir into a mailbox'
complete -c mailstead -n '__mailstead_at "import"' -a mbox -d 'bring the mail of an mbox file into a mailbox'
complete -c mailstead -n '__mailstead_at "import"' -a pop3 -d 'fetch the mail of a mailbox on another server, by POP3'
complete -c mailstead -n '__mailstead_within "import maildir"' -l dry-run -d 'only say what would be brought'
complete -c mailstead -n '__mailstead_within "import maildir"' -l folder -r -F -d 'a subfolder of it, such as Sent, in place of the inbox'
complete -c mailstead -n '__mailstead_within "import maildir"' -l uidl-format -r -F -d 'Dovecot\'s pop3_uidl_format, where it was not %08Xu%08Xv'
complete -c mailstead -n '__mailstead_within "import mbox"' -l dry-run -d 'only say what would be brought'
complete -c mailstead -n '__mailstead_within "import pop3"' -l dry-run -d 'only say what would be brought'
complete -c mailstead -n '__mailstead_within "import pop3"' -l delete -d 'delete there what is safely here, or was deleted here'
complete -c mailstead -n '__mailstead_within "import pop3"' -l insecure -d 'do not check the server\'s certificate'
complete -c mailstead -n '__mailstead_within "import pop3"' -l apop -d 'log in with APOP, for an old server that offers it'
complete -c mailstead -n '__mailstead_within "import pop3"' -l user -r -F -d 'the name to log in with there'
complete -c mailstead -n '__mailstead_within "import pop3"' -l password-file -r -F -d 'its first line is the password'
complete -c mailstead -n '__mailstead_within "import pop3"' -l port -r -F -d 'another port'
complete -c mailstead -n '__mailstead_within "import pop3"' -l tls -x -a 'implicit stls none'
complete -c mailstead -n '__mailstead_within "import pop3"' -l tls -x -d 'implicit: from the start, port 995 (default)'
complete -c mailstead -n '__mailstead_at "mailbox"' -a add -d 'make a mailbox'
complete -c mailstead -n '__mailstead_at "mailbox"' -a list -d 'list the mailboxes'
complete -c mailstead -n '__mailstead_at "mailbox"' -a show -d 'show one mailbox'
complete -c mailstead -n '__mailstead_at "mailbox"' -a remove -d 'remove a mailbox with its mail'
complete -c mailstead -n '__mailstead_at "mailbox"' -a password -d 'give a mailbox another password'
complete -c mailstead -n '__mailstead_at "mailbox"' -a disable -d 'take no mail for it and let nobody log in'
complete -c mailstead -n '__mailstead_at "mailbox"' -a enable -d 'end what \'mailbox disable\' began'
complete -c mailstead -n '__mailstead_at "mailbox"' -a quota -d 'set how much a mailbox may hold'
complete -c mailstead -n '__mailstead_within "mailbox add"' -l password-stdin -d 'take the password from the first line of the standard input'
complete -c mailstead -n '__mailstead_within "mailbox password"' -l password-stdin -d 'take the password from the first line of the standard input'
complete -c mailstead -n '__mailstead_within "mailbox remove"' -l keep-mail -d 'its messages stay on the disk, in mail/DOMAIN/.kept-USER of the data folder. Adding the address again brings them back, also for another person'
complete -c mailstead -n '__mailstead_at "message"' -a list -d 'list the messages of a mailbox'
complete -c mailstead -n '__mailstead_at "message"' -a show -d 'show one message: who fetched it, who deleted it, and when'
complete -c mailstead -n '__mailstead_at "message"' -a restore -d 'put deleted messages back into the mailbox'
complete -c mailstead -n '__mailstead_within "message list"' -l deleted -d 'those that were deleted and can be restored'
complete -c mailstead -n '__mailstead_within "message list"' -l newest -r -F -d 'only so many, the newest first'
complete -c mailstead -n '__mailstead_within "message restore"' -l all -d 'everything that can be restored'
complete -c mailstead -n '__mailstead_within "message restore"' -l last -d 'all that was deleted last, by one mail program in one session'
complete -c mailstead -n '__mailstead_at "queue"' -a list -d 'list the mail that waits to be sent to other hosts'
complete -c mailstead -n '__mailstead_at "queue"' -a show -d 'show one message of the queue: each attempt, and what the other side said'
complete -c mailstead -n '__mailstead_at "queue"' -a retry -d 'try to send a message now, or all that are not held'
complete -c mailstead -n '__mailstead_at "queue"' -a hold -d 'keep a message from being sent until it is released'
complete -c mailstead -n '__mailstead_at "queue"' -a release -d 'let a held message be sent'
complete -c mailstead -n '__mailstead_at "queue"' -a drop -d 'take a message out of the queue; nobody is told'
complete -c mailstead -n '__mailstead_within "restore"' -l list -d 'only show which backups are in DIR'
complete -c mailstead -n '__mailstead_within "restore"' -l replace -d 'what is in the data folder is moved aside there'
complete -c mailstead -n '__mailstead_within "restore"' -l hold-queue -d 'mail on its way out waits until \'mailstead queue release\''
complete -c mailstead -n '__mailstead_within "restore"' -l without-queue -d 'mail on its way out is left out'
complete -c mailstead -n '__mailstead_within "restore"' -l from -r -F -d 'which one, default'
complete -c mailstead -n '__mailstead_at "tls"' -a show -d 'show the TLS certificate'
complete -c mailstead -n '__mailstead_at "tls"' -a reload -d 'have the server read the certificates now'
complete -c mailstead -n '__mailstead_at "tls"' -a renew -d 'get a new certificate from the authority now'
complete -c mailstead -n '__mailstead_at "tls"' -a others -d 'show how connections to other hosts came out, of the last month'
complete -c mailstead -n '__mailstead_within "tls renew"' -l force -d 'also while the certificate is still good'
complete -c mailstead -n '__mailstead_within "verify"' -l all -d 'read every message whole'
complete -c mailstead -n '__mailstead_within "verify"' -l repair -d 'mend what can be mended. No mail is deleted'
complete -c mailstead -n '__mailstead_within "web-link"' -l sessions -d 'make none, and list who is in the page'
complete -c mailstead -n '__mailstead_within "web-link"' -l end-sessions -d 'make none, and end all that others have opened'
