package hot

import (
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// columns turns rows into the arguments of unnest, one array for each column of
// kinds: t is text, i an integer, b octets.
func columns(rows []sqlkit.Values, kinds string) []any {
	args := make([]any, len(kinds))
	for i, k := range kinds {
		switch k {
		case 't':
			list := make([]string, len(rows))
			for n, row := range rows {
				list[n] = server.Text(row[i].Value.(string))
			}
			args[i] = list
		case 'i':
			list := make([]int64, len(rows))
			for n, row := range rows {
				list[n] = row[i].Value.(int64)
			}
			args[i] = list
		case 'b':
			list := make([][]byte, len(rows))
			for n, row := range rows {
				list[n] = row[i].Value.([]byte)
			}
			args[i] = list
		}
	}
	return args
}
