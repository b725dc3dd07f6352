package sqlstore

// Times that tests change.
var (
	ReleasePatience = &releasePatience
	LookTimeout     = &lookTimeout
)

// AsOnMySQL makes a store on MariaDB use the statements for MySQL, because the
// tests have no MySQL.
func (s *Store) AsOnMySQL() { s.sql = newStatements(s.cfg.Dialect, s.cfg.Prefix, false) }
