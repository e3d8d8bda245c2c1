import { fetchInitial } from "./api-client";
import { DashboardClient } from "./dashboard-client";

// Rendered per request: the numbers in the page are of now.
export const dynamic = "force-dynamic";

// Read when the server runs, not when it was built, so that one image serves any gateway.
function setting(name: string, fallback: string): string {
  const value = process.env[name];
  return (value === undefined || value === "" ? fallback : value).replace(/\/+$/, "");
}

export default async function Page(): Promise<React.ReactElement> {
  const apiUrl = setting("NEXT_PUBLIC_API_URL", "http://localhost:8000");
  // Inside a cluster the server reaches the gateway by another name than the browser does.
  const inner = setting("API_INTERNAL_URL", apiUrl);
  const initial = await fetchInitial(inner, null);
  return <DashboardClient apiUrl={apiUrl} initial={initial} renderedAt={Date.now()} />;
}
