// Package strict reads what an SMTP client sends, octet by octet and without
// good will: lines that only CRLF ends, message content that only CRLF.CRLF
// ends (DATA), and chunks under the same rules (BDAT). What breaks a rule is an
// error that names its refusal in the catalogue of package smtp.
//
// It parses no command and looks at no header: packages smtp and message do.
// It reads no clock; deadlines belong to the connection.
//
// Main types: Reader, DataReader, ChunkReader and ChunkChecker.
//
// Rules come from RFC 5321 (sections 2.3.7, 2.3.8 and 4.5.2), 5322 (section
// 2.1.1), 1870 (SIZE) and 3030 (BDAT).
package strict
