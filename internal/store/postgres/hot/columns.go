package hot

import (
	"strconv"
	"strings"

	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// unnest prints "unnest($1::text[], $2::bigint[])" for kinds "ti": t is text, i an
// integer, b octets. The first argument has the number from.
func unnest(kinds string, from int) string {
	types := map[rune]string{'t': "text", 'i': "bigint", 'b': "bytea"}
	var list []string
	for i, k := range kinds {
		list = append(list, "$"+strconv.Itoa(from+i)+"::"+types[k]+"[]")
	}
	return "unnest(" + strings.Join(list, ", ") + ")"
}

// columns turns rows into the arguments of unnest, one array for each column.
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
