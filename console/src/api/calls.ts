// The operation table as React hooks: one to read, one to read page by page, one to act.
import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type QueryKey,
} from '@tanstack/react-query';
import type { OperationId, QueryOf, ResponseOf } from '@wocloud/protocol/api.ts';
import type { ApiError, CallInput } from '@wocloud/protocol/client.ts';
import { useEffect, useMemo } from 'react';
import { api } from './client.ts';

export interface ReadOptions {
  enabled?: boolean;
  /** Keep showing the last answer while a new question is asked. */
  keep?: boolean;
  /** Milliseconds between polls, for what no event tells about. */
  every?: number;
}

const keyOf = (id: OperationId, input: object): QueryKey => [id, input];

/** Reads one operation; asks again when its input changes or an event made it stale. */
export function useCall<I extends OperationId>(id: I, input: CallInput<I> = {}, options: ReadOptions = {}) {
  return useQuery<ResponseOf<I>, ApiError>({
    queryKey: keyOf(id, input),
    queryFn: ({ signal }) => api.call(id, { ...input, signal }),
    enabled: options.enabled ?? true,
    ...(options.keep ? { placeholderData: keepPreviousData } : {}),
    ...(options.every ? { refetchInterval: options.every } : {}),
  });
}

type ListId = { [I in OperationId]: ResponseOf<I> extends { items: unknown[] } ? I : never }[OperationId];
type ItemOf<I extends ListId> = ResponseOf<I> extends { items: (infer T)[] } ? T : never;

export interface PagesOptions extends ReadOptions {
  /** Follow the cursor by itself until so many items are here. */
  upTo?: number;
}

/** Reads a list page by page. `items` grows; `more` fetches the next page. */
export function usePages<I extends ListId>(
  id: I,
  input: Omit<CallInput<I>, 'query'> & { query?: QueryOf<I> } = {},
  options: PagesOptions = {},
) {
  const result = useInfiniteQuery({
    queryKey: keyOf(id, input),
    queryFn: async ({ signal, pageParam }) => {
      const query = { ...input.query, ...(pageParam ? { cursor: pageParam } : {}) };
      const answer = await api.call(id, { ...input, query, signal } as never);
      return answer as { items: ItemOf<I>[]; next: string | null };
    },
    initialPageParam: '',
    getNextPageParam: (last) => last.next,
    enabled: options.enabled ?? true,
    ...(options.keep ? { placeholderData: keepPreviousData } : {}),
  });
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage, error } = result;
  const items = useMemo(() => data?.pages.flatMap((p) => p.items) ?? [], [data]);
  const wanted = options.upTo ?? 0;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !error && items.length < wanted) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, items.length, wanted, error]);
  return {
    items,
    loaded: data !== undefined,
    pending: result.isPending,
    stale: result.isPlaceholderData,
    error: error as ApiError | null,
    retry: () => void result.refetch(),
    hasMore: hasNextPage,
    fetchingMore: isFetchingNextPage,
    more: () => {
      if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
  };
}

/** Acts: on success everything read through one of `touches` is read again. */
export function useAct<I extends OperationId>(id: I, touches: readonly OperationId[] = []) {
  const cache = useQueryClient();
  return useMutation<ResponseOf<I>, ApiError, CallInput<I>>({
    mutationFn: (input) => api.call(id, input),
    onSuccess: () => refresh(cache, touches),
  });
}

/** Has everything that was read through these operations read again. */
export function refresh(cache: QueryClient, ids: readonly OperationId[]): Promise<unknown> {
  return Promise.all(ids.map((id) => cache.invalidateQueries({ predicate: (q) => q.queryKey[0] === id })));
}
